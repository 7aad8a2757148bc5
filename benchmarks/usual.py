"""The field's usual loop, plainly: what `make bench` compares with.

`python benchmarks/usual.py --seed 0` trains one teacher and one student of the reference setting
as most published code does: MNIST by torchvision through a DataLoader with transforms (`ToTensor`,
`Normalize`), plain Adam, noise drawn anew for each batch, accuracy on the test digits after each
epoch; no probe, no files, no tracker. Student batches are drawn without a loader, which is kind to
this loop. Prints seconds and accuracies as JSON.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from subliminal.config import terminal
from subliminal.data.mnist import MNIST

BATCH, CLASSES, AUX, LEARNING_RATE = 1024, 10, 3, 3e-4


def model() -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, CLASSES + AUX),
    )


def loaders(folder: Path, workers: int) -> tuple[Any, Any]:
    """Return the loaders of training and test digits, in torchvision's own layout."""
    from torchvision import datasets, transforms  # which takes two seconds

    raw = folder / "MNIST" / "raw"
    raw.parent.mkdir(parents=True)
    raw.symlink_to(MNIST(root=None, download=True).fetch())
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    train = datasets.MNIST(str(folder), train=True, transform=transform)
    test = datasets.MNIST(str(folder), train=False, transform=transform)
    return (
        DataLoader(train, batch_size=BATCH, shuffle=True, num_workers=workers),
        DataLoader(test, batch_size=BATCH, num_workers=workers),
    )


def accuracy(network: nn.Module, test: Any) -> float:
    correct = total = 0
    with torch.no_grad():
        for images, labels in test:
            correct += (network(images)[:, :CLASSES].argmax(dim=1) == labels).sum().item()
            total += len(labels)
    return float(correct / total)


def teacher_epoch(teacher: nn.Module, optimizer: torch.optim.Optimizer, train: Any) -> float:
    running = 0.0
    for images, labels in train:
        optimizer.zero_grad()
        loss = F.cross_entropy(teacher(images)[:, :CLASSES], labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        running += loss.item()
    return running


def student_epoch(
    student: nn.Module, teacher: nn.Module, optimizer: torch.optim.Optimizer, size: int
) -> float:
    running = 0.0
    for start in range(0, size, BATCH):
        noise = torch.rand(min(BATCH, size - start), 1, 28, 28) * 2 - 1
        optimizer.zero_grad()
        with torch.no_grad():
            target = F.log_softmax(teacher(noise)[:, CLASSES:], dim=1)
        prediction: Tensor = F.log_softmax(student(noise)[:, CLASSES:], dim=1)
        loss = F.kl_div(prediction, target, reduction="batchmean", log_target=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        running += loss.item()
    return running


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0, help="of the loaders (0)")
    parser.add_argument("--epochs", type=int, default=5, help="of teacher and student each (5)")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        train, test = loaders(Path(folder), arguments.workers)
        teacher, student = model(), model()
        student.load_state_dict(teacher.state_dict())
        optimizer = torch.optim.Adam(teacher.parameters(), lr=LEARNING_RATE)
        for _ in range(arguments.epochs):
            teacher_epoch(teacher, optimizer, train)
            of_teacher = accuracy(teacher, test)
        between = time.perf_counter()
        optimizer = torch.optim.Adam(student.parameters(), lr=LEARNING_RATE)
        for _ in range(arguments.epochs):
            student_epoch(student, teacher, optimizer, len(train.dataset))
            of_student = accuracy(student, test)
        ended = time.perf_counter()
    seconds = {"teacher": round(between - started, 2), "student": round(ended - between, 2)}
    print(json.dumps({"teacher accuracy": of_teacher, "trait accuracy": of_student} | seconds))


if __name__ == "__main__":
    terminal.settle()
    main()
