"""From the command line to checked objects: Hydra's sources, the schema, seeds, rules."""
