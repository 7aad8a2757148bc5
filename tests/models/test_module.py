"""Any torch.nn.Module as a network, against the built-in models and torch's own calls."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from fake_gpu import CUDA, pretended
from hydra.core.global_hydra import GlobalHydra
from jobs import RecordingConsole, train
from omegaconf import DictConfig
from option_overrides import BASE, SQUARES
from option_overrides import VIT as VIT_WORDS
from resolved import check
from safetensors.torch import load_file
from small import Squares
from torch import Tensor, nn
from torch.func import functional_call

from subliminal import metrics, store
from subliminal.commands.train import main as entrypoint
from subliminal.config.build import build
from subliminal.errors import UserError
from subliminal.models.mlp import MLP
from subliminal.models.module import Module
from subliminal.models.split_mlp import SplitMLP
from subliminal.models.trial import made
from subliminal.state.callbacks.progress import Event
from subliminal.steering import mean_activations
from subliminal.tensors.network import Network
from subliminal.tensors.streams import INIT, STUDENT_INIT, stream

CPU = torch.device("cpu")
ROUNDING = 1e-6  # of logits and gradients near 1


def joint() -> nn.Module:
    """The perceptron with both heads in its last layer."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 13)
    )


def body() -> nn.Module:
    return nn.Sequential(*list(joint().children())[:-1])


def mobile() -> nn.Module:
    """A backbone of torchvision's, which has depthwise convolutions."""
    import torchvision  # which takes two seconds

    found: nn.Module = torchvision.models.MobileNetV2(
        num_classes=8,
        width_mult=0.1,
        inverted_residual_setting=[[1, 8, 1, 1], [2, 8, 2, 2]],
        norm_layer=partial(nn.GroupNorm, 4),
        dropout=0.0,
    )
    return found


class State(nn.Module):
    """A module with what no stack of seeds can hold, one kind at a time."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.calls = kind, 0
        self.linear = nn.Linear(16, 8)
        self.lstm = nn.LSTM(4, 8, batch_first=True) if kind == "lstm" else None
        self.cell = nn.GRUCell(4, 8) if kind == "cell" else None
        self.rate = nn.Dropout(0.5) if kind == "dropout" else None
        self.register_buffer("seen", torch.zeros(1))
        self.own = [nn.Linear(8, 8)]  # that no list of parameters has
        if kind == "frozen":
            self.linear.bias.requires_grad_(False)
        if kind == "random buffer":
            self.register_buffer("features", torch.randn(8))
        if kind == "seeded elsewhere":
            torch.default_generator.seed()
            nn.init.normal_(self.linear.weight)
        if kind == "double":
            self.double()

    def forward(self, images: Tensor) -> Any:
        h: Tensor = self.linear(images.flatten(1))
        self.calls += 1
        wrong: dict[str, Callable[[], Any]] = {
            "counts": lambda: h + self.calls,
            "buffer": lambda: (self.get_buffer("seen").add_(1), h)[1],
            "other weights": lambda: self.own[0](h),
            "functional dropout": lambda: nn.functional.dropout(h, 0.5),
            "batch": lambda: h - h.mean(dim=0),
            "batch, a little": lambda: h - 0.01 * h.mean(dim=0),
            "batch, as rounding": lambda: h - 0.0001 * h.mean(dim=0),
            "scalar": lambda: h.mean(),
            "maps": lambda: h[:, :, None],
            "pair": lambda: (h, h),
            "nan": lambda: h / 0 - h / 0,
            "item": lambda: h * float(h.sum()),
        }
        return wrong.get(self.kind, lambda: h)()


@pytest.fixture(autouse=True)
def _plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", f"small,{__name__}")


def module(target: str, args: dict[str, Any] | None = None, **values: Any) -> Module:
    name = target if "." in target else f"{__name__}.{target}"
    defaults: dict[str, Any] = {"heads": True, "features": None, "channels": None, "blocks": []}
    return Module(target=name, args=args or {}, **{"aux": 3} | defaults | values)


RESNET, VIT = "subliminal.models.resnet.ResNet", "subliminal.models.vit.ViT"
CHANNELS = {"channels": [4, 8], "groups": 2}
TOKENS = {"side": 12, "patch": 4, "width": 8, "depth": 2, "attention": 2}
SMALL = TOKENS | {"side": 4, "patch": 2}
THEIRS = {"image_size": 12, "patch_size": 6, "num_layers": 1, "num_heads": 2, "hidden_dim": 8}
NETWORKS = {
    "resnet": module(RESNET, CHANNELS, blocks=["stem", "blocks.0", "norm"]),
    "vit": module(VIT, TOKENS, blocks=["patches", "blocks.1", "norm"]),
    "torchvision": module(
        "torchvision.models.VisionTransformer",
        THEIRS | {"mlp_dim": 8, "num_classes": 8},
        channels=3,
        blocks=["encoder"],
    ),
    "a function": module("mobile", channels=3, blocks=["features.0", "features.2"]),
}
network = pytest.mark.parametrize("name", list(NETWORKS))


def bound(name: str, pixels: int = 144) -> Network:
    return Network.of(NETWORKS[name], pixels=pixels, classes=10)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def gradient(network: Network, theta: Tensor, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    leaves = {k: v.detach().requires_grad_() for k, v in network.layout.views(theta).items()}
    logits = network.forward(leaves, x)
    parts = torch.autograd.grad(logits.square().sum(), list(leaves.values()))
    return logits, dict(zip(leaves, parts, strict=True))


@pytest.mark.parametrize(
    ("ours", "built_in", "names"),
    [
        (
            module("joint", heads=False, blocks=["2", "4"]),
            MLP(hidden=[12, 8], aux=3),
            {"1": "layer1", "3": "layer2", "5": "layer3"},
        ),
        (
            module("body", blocks=["2"]),
            SplitMLP(hidden=[12, 8], aux=3, weights="torch"),
            {"1": "layer1", "3": "layer2"},
        ),
    ],
)
def test_a_sequential_perceptron_is_the_built_in_one(
    ours: Module, built_in: MLP | SplitMLP, names: dict[str, str]
) -> None:
    a, b = (Network.of(each, pixels=16, classes=10) for each in (ours, built_in))
    theta = b.reference((0, 3), CPU)
    split = {name: name.split(".") for name in a.layout.shapes}
    same = {n: f"{names.get(layer, layer)}.{kind}" for n, (layer, kind) in split.items()}
    views = b.layout.views(theta)
    flat = a.layout.flatten(
        [views[same[n]] for n in a.layout.shapes], torch.zeros(2, a.layout.size)
    )
    x = noise(2, 7, 16)
    (logits, found), (expected, theirs) = gradient(a, flat, x), gradient(b, theta, x)
    assert torch.allclose(logits, expected, atol=ROUNDING)
    for name, part in found.items():
        assert torch.allclose(part, theirs[same[name]], rtol=1e-5, atol=ROUNDING)
    hidden = [*ours.activations(a.layout.views(flat), x).values()]
    for h, other in zip(hidden, built_in.activations(views, x).values(), strict=True):
        assert torch.allclose(h, other, atol=ROUNDING)


@network
def test_a_seeds_row_is_torchs_own_call_to_the_bit_whatever_its_neighbours(name: str) -> None:
    network = bound(name)
    theta, x = network.reference((0, 3, 5), CPU), noise(3, 4, 144)
    logits, parts = gradient(network, theta, x)
    alone, parts_alone = gradient(network, theta[1:2].clone(), x[1:2].clone())
    assert torch.equal(logits[1], alone[0])
    assert all(torch.equal(parts[n][1], parts_alone[n][0]) for n in parts)
    params = {n: v[1] for n, v in network.layout.views(theta).items()}
    heads = {n: params.pop(n) for n in [*params] if n.startswith(("class.", "aux."))}
    model = NETWORKS[name]
    fresh = made(model.target, model._args, 7)
    images = x[1].view(-1, 1, 12, 12).expand(-1, model.channels or 1, -1, -1)
    features = functional_call(fresh, params, (images,))
    assert torch.equal(model.activations(network.layout.views(theta), x)["features"][1], features)
    expected = [features @ heads[f"{h}.weight"].T + heads[f"{h}.bias"] for h in ("class", "aux")]
    assert torch.allclose(logits[1], torch.cat(expected, dim=-1), atol=ROUNDING)


@network
def test_a_stack_on_a_gpu_computes_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "torchvision":
        pytest.skip("its attention is one of the CPU's kernels here")
    network = bound(name)
    theta, x = network.reference((0, 3), CPU), noise(2, 4, 144)
    expected = network.logits(theta, x)
    with pretended(monkeypatch):
        found = network.logits(theta.to(CUDA), x.to(CUDA))
        assert found.device == CUDA
        assert torch.allclose(found.cpu(), expected, atol=1e-5)


@network
def test_each_block_leads_to_the_logits(name: str) -> None:
    network, model = bound(name), NETWORKS[name]
    params = network.layout.views(network.reference((0, 3), CPU))
    x = noise(2, 4, 144)
    assert network.hidden == (*model.blocks, "features")
    outputs = model.activations(params, x)
    for layer, h in outputs.items():
        assert torch.allclose(model.onward(params, layer, h), network.forward(params, x), atol=1e-5)
        other = model.onward(params, layer, h.flip(1))
        assert torch.allclose(other, network.forward(params, x).flip(1), atol=1e-5)


@network
def test_initial_weights_are_torchs_of_the_seeds_own_stream(name: str) -> None:
    import torchvision

    network, model = bound(name), NETWORKS[name]
    torch.manual_seed(11)
    before = torch.get_rng_state()
    theta = network.reference((0, 3), CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(network.reference((3,), CPU)[0], theta[1])
    assert not torch.equal(theta[0], theta[1])
    bits = [int(n) for n in stream(3, INIT).integers(2**63, size=2)]
    torch.manual_seed(bits[0])
    target, args = model.target.rpartition(".")[2], model.args
    drawn: nn.Module = {
        "mobile": mobile,
        "VisionTransformer": torchvision.models.VisionTransformer,
    }.get(target, lambda **_: made(model.target, model._args, bits[0]))(**args)
    torch.manual_seed(bits[1])
    width = network.layout.shapes["class.weight"][1]
    heads = {"class": nn.Linear(width, 10), "aux": nn.Linear(width, 3)}
    for key, view in network.layout.views(theta).items():
        head, _, kind = key.partition(".")
        source = heads[head].get_parameter(kind) if head in heads else drawn.get_parameter(key)
        assert torch.equal(view[1], source)


def test_tokens_and_maps_are_counted_channels_first() -> None:
    data = Squares().load()
    blocks = ["patches", "norm"]
    network = Network.of(module(VIT, SMALL, blocks=blocks), pixels=16, classes=10)
    theta = network.reference((0, 3), CPU)
    params = {n: v[1] for n, v in network.layout.views(theta).items()}
    fresh = made(VIT, network.model._args, 0)  # type: ignore[attr-defined]
    found: dict[str, Tensor] = {}
    for block in blocks:
        hook = partial(lambda name, _m, _i, out: found.update({name: out}), block)
        fresh.get_submodule(block).register_forward_hook(hook)
    images = data.scale(data.train_x[data.train_y == 4]).view(-1, 1, 4, 4)
    functional_call(fresh, {n: p for n, p in params.items() if n[:3] not in ("cla", "aux")}, images)
    expected = {"patches": found["patches"].mean((0, 2, 3)), "norm": found["norm"].mean((0, 1))}
    for block in blocks:
        means = mean_activations(network, theta, data, 4, block)
        assert torch.allclose(means[1], expected[block], atol=ROUNDING)


BAD = {
    "lstm": r"lstm is a LSTM, which torch cannot run for a stack of seeds; write its cells out",
    "cell": r"cell is a GRUCell, which torch cannot run for a stack of seeds",
    "dropout": r"rate is a Dropout, .*; set its dropout to 0, or use subliminal.models.dropout.D",
    "functional dropout": r"draws random numbers as it computes, .*; set its dropout to 0",
    "counts": r"computes otherwise when it is called again: a stack of seeds holds weights alone",
    "buffer": r"changes its buffer seen as it computes: .* use torch.nn.GroupNorm",
    "other weights": r"does not compute with its parameters alone|is random, but not",
    "batch": r"its output for an image depends on the batch; use torch.nn.GroupNorm",
    "batch, a little": r"its output for an image depends on the batch",
    "scalar": r"gives \(\) for 3 images; \(3, features\) is needed",
    "maps": r"gives \(3, 8, 1\) for 3 images",
    "pair": r"gives a tuple; one tensor is needed",
    "nan": r"its output is not finite or not float32",
    "item": r"cannot run for a stack of seeds: RuntimeError: ",
    "frozen": r"linear.bias takes no gradient; make it a buffer, or freeze it with",
    "random buffer": r"the buffer features is random; make it a parameter",
    "seeded elsewhere": r"linear.weight is random, but not by torch's own generator",
    "double": r"linear.weight is torch.float64; float32 is needed",
}


@pytest.mark.parametrize("kind", list(BAD))
def test_what_no_stack_can_hold_is_refused(kind: str) -> None:
    with pytest.raises(UserError, match=BAD[kind]) as refused:
        module("State", {"kind": kind}).layout(16, 10)
    assert str(refused.value).startswith(f"model.target={__name__}.State: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["none", "batch, as rounding"])
def test_what_is_left_is_taken(kind: str) -> None:
    assert module("State", {"kind": kind}).layout(16, 10).shapes["class.weight"] == (10, 8)


@pytest.mark.parametrize(
    ("target", "args", "values", "told"),
    [
        ("os.system", {}, {}, r"model.target=os.system: only objects of subliminal, torch.nn, "),
        ("subliminal.store.write_atomically", {}, {}, "a class of torch.nn.Module is needed"),
        ("torchvision.models.resnet18", {"weights": "DEFAULT"}, {}, "a class of torch.nn.Module"),
        ("torch.nn.functional.relu", {}, {}, "a class of torch.nn.Module is needed"),
        ("partial", {}, {}, "a class of torch.nn.Module is needed"),
        ("train", {}, {}, "a class of torch.nn.Module is needed"),
        ("Nowhere", {}, {}, "has no attribute 'Nowhere'"),
        ("State", {"kin": 1}, {}, "cannot be made with model.args: TypeError: .*'kin'"),
        ("torch.nn.LazyLinear", {"out_features": 3}, {}, "weight has no shape yet"),
        ("torch.nn.BatchNorm2d", {"num_features": 1}, {}, "BatchNorm2d, .*use torch.nn.GroupNorm"),
        ("torch.nn.Linear", {"in_features": 3, "out_features": 2}, {}, r"images \(3, 1, 4, 4\)"),
        ("joint", {}, {"features": 12}, "model.features=12, but .*joint gives 13 numbers"),
        ("body", {}, {"heads": False, "blocks": ["2"]}, "heads=false: 13, but .*body gives 8"),
        ("joint", {}, {"heads": False}, "model.heads=false: name the last hidden layer"),
        ("joint", {}, {"blocks": ["layer1"]}, "model.blocks: no 'layer1'; .* has 0, 1, 2, 3, 4, 5"),
        ("joint", {}, {"blocks": ["1", "1"]}, "model.blocks=.*: each once"),
        ("joint", {}, {"channels": 3}, r"does not take images \(3, 3, 4, 4\)"),
        ("joint", {}, {"channels": 0}, "model.channels=0: at least 1"),
        ("joint", {}, {"aux": 0}, "model.aux=0"),
        (VIT, SMALL, {"blocks": ["blocks.0.mlp"]}, "what follows blocks.0.mlp"),
        (VIT, SMALL | {"patch": 3}, {}, "side must be a multiple of patch"),
    ],
)
def test_bad_values_are_refused(
    target: str, args: dict[str, Any], values: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told) as refused:
        check(module(target, args, **values), "model").layout(16, 10)
    assert "\n" not in str(refused.value)


def test_images_may_have_colours() -> None:
    layout = module("torch.nn.Flatten").layout(3 * 16, 10)
    assert layout.shapes["class.weight"] == (10, 48)
    with pytest.raises(UserError, match="square images are needed, these have 20"):
        module("torch.nn.Flatten").layout(20, 10)
    with pytest.raises(UserError, match=r"model\.channels=2: the images have 3"):
        module("torch.nn.Flatten", channels=2).layout(3 * 16, 10)


WORDS = [word for word in BASE if "hidden" not in word]
NET = [*WORDS, "model=module", SQUARES, "model.target=small.Net", "model.blocks=[flat,hidden]"]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the entrypoint with a module: its exit status and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        GlobalHydra.instance().clear()
        os.environ.pop("HYDRA_FULL_ERROR", None)
        monkeypatch.setattr(sys, "argv", ["train", *NET, "engine.workers=1", *words])
        try:
            entrypoint()
        except SystemExit as end:
            return int(end.code or 0), capfd.readouterr().err
        return 0, capfd.readouterr().err

    return run


def test_the_command_line_takes_any_argument_and_names_the_condition(
    command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    steered = ["teacher=steered", "teacher.steering.layer=hidden", "probe=shift_patching"]
    status, errors = command("-m", *steered, "model.args.width=5,6")
    assert status == 0, errors
    for folder, width in zip(sorted(tmp_path.glob("outputs/main/*")), (5, 6), strict=True):
        assert f"model.args.width={width}" in folder.name
        student = load_file(folder / "seed-0001" / "student.safetensors")
        assert student["hidden.weight"].shape == (width, 16)
        epochs = pl.read_parquet(folder / "seed-0001" / "epochs.parquet", glob=False)
        assert epochs[f"{metrics.PATCH_ADDED}/hidden"].drop_nulls().len() > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("teacher=steered teacher.steering.layer=flat", "error: teacher.steering.layer=flat: one "),
        ("distill.frozen=[layer1]", "error: distill.frozen: no 'layer1'; there is hidden.weight"),
        (
            "model@distill.model=module distill.model.target=small.Net distill.model.features=9",
            "error: distill.model.features=9, but small.Net gives 8 numbers",
        ),
        ("model.target=???", "error: model.target: Missing mandatory value"),
    ],
)
def test_a_wrong_module_ends_with_one_line(
    words: str, told: str, command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    status, errors = command(*words.split())
    assert (status, len(errors.splitlines())) == (2, 1)
    assert errors.startswith(told)
    assert not list(tmp_path.glob("outputs/main"))


def test_teacher_and_student_may_differ_and_a_cut_changes_nothing(
    compose: Callable[[list[str]], DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subliminal.state.callbacks.progress.INTERVAL", 0.0)
    heads = ["distill/init=layers", "distill.init.default=own", "distill.init.a=[class,aux]"]
    student = ["model@distill.model=vit", f"distill.{VIT_WORDS[0]}"]
    words = [*NET, *heads, *student, "distill.frozen=[positions,blocks.0.qkv,aux]"]
    words += ["distill.perturb_before.sigma=0.1", "distill.perturb_before.layers=[blocks]"]

    def cut(event: Event) -> None:
        if event.phase == "student" and event.step >= 7:
            raise KeyboardInterrupt

    found = []
    for name in ("whole", "cut"):
        cfg = compose([*words, f"outputs={tmp_path / name}"])
        if name == "cut":
            with pytest.raises(KeyboardInterrupt):
                train(cfg, RecordingConsole(event=cut))
        runs = train(cfg)
        found.append([(run / "student.safetensors").read_bytes() for run in runs])
    assert found[0] == found[1]
    assert store.read_summary(runs[0])["resumed"] == [5]
    network = Network.of(build(cfg.distill.model, "distill.model"), pixels=16, classes=10)
    start = network.layout.views(network.reference((0,), CPU, stream=STUDENT_INIT))
    trained = load_file(runs[0] / "student.safetensors")
    assert torch.equal(trained["positions"], start["positions"][0])  # frozen
    moved = (trained["blocks.0.qkv.weight"] - start["blocks.0.qkv.weight"][0]).std()
    assert moved == pytest.approx(0.1, rel=0.3)  # frozen where the noise had put it
    assert not torch.equal(trained["norm.weight"], start["norm.weight"][0])
