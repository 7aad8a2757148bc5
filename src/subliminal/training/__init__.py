"""One job: its resolved config, its teachers and students, the loop that trains them."""
