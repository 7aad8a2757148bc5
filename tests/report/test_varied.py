"""What varies between configs, by hand."""

from typing import Any

from subliminal.report import varied

ADAM = {"_target_": "subliminal.optim.adam.Adam", "lr": 3e-4}
SGD = {"_target_": "subliminal.optim.sgd.SGD", "lr": 0.1}


def flat(**config: Any) -> varied.Flat:
    return varied.flatten(config)


def test_options_are_values_and_machinery_is_left_out() -> None:
    assert flat(
        name="x",
        seed={"spec": "0"},
        optim=ADAM,
        model={"_target_": "subliminal.models.mlp.MLP", "hidden": [256, 256]},
        mitigation={},
        data={"_target_": "subliminal.data.mnist.MNIST", "root": "x", "validation": 0},
        distill={"inputs": {"_target_": "my_lab.Inputs", "download": True}},
        engine={"workers": 2, "threads": 1, "device": "cpu", "seeds_at_once": None},
        objective=["trait/accuracy"],
        threat={"name": "wide_channel"},
        tracker={"_target_": "subliminal.trackers.wandb.WandB", "project": "x"},
    ) == {
        "optim": "adam",
        "optim.lr": 3e-4,
        "model": "mlp",
        "model.hidden": "[256,256]",
        "mitigation": "none",
        "data": "mnist",
        "data.validation": 0,
        "distill.inputs": "my_lab.Inputs",
        "engine.threads": 1,
    }


def test_a_rate_is_swept_if_it_varies_within_an_option() -> None:
    assert varied.swept([flat(optim=ADAM), flat(optim=SGD)]) == {"optim": ["adam", "sgd"]}
    configs = [flat(optim=ADAM), flat(optim={**ADAM, "lr": 1e-3})]
    assert varied.swept(configs) == {"optim.lr": [3e-4, 1e-3]}


def test_mitigations_compose_and_their_settings_vary() -> None:
    liminal = {"_target_": "subliminal.mitigations.liminal.Liminal", "peak": 1.0}
    configs = [
        flat(mitigation={}),
        flat(mitigation={"liminal": liminal}),
        flat(mitigation={"liminal": {**liminal, "peak": 0.5}}),
    ]
    keys = varied.swept(configs)
    assert keys == {"mitigation": ["none", "liminal"], "mitigation.liminal.peak": [1.0, 0.5]}
    assert [varied.label(config, list(keys)) for config in configs] == [
        "none",
        "liminal, peak=1",
        "liminal, peak=0.5",
    ]


def test_short_names_are_unique() -> None:
    keys = ["teacher.optim.lr", "optim.lr", "distill.epochs"]
    assert [varied.short(key, keys) for key in keys] == ["teacher.optim.lr", "optim.lr", "epochs"]


def test_baseline_and_numbers() -> None:
    assert varied.is_baseline({"mitigation": "none", "distill.init": "shared"})
    assert not varied.is_baseline({"mitigation": "liminal"})
    assert varied.numbers([1, 2.5, 4])
    assert not varied.numbers([1, 2])
    assert not varied.numbers([True, False, True])
    assert not varied.numbers(["1", 2, 3])


def test_conditions_are_in_order_of_numbers_not_of_names() -> None:
    configs: list[varied.Flat] = [{"peak": 10}, {"peak": 2.5}, {}, {"peak": 1}]
    keys = varied.swept(configs)
    assert sorted(configs, key=lambda config: varied.order(config, keys)) == [
        {},
        {"peak": 1},
        {"peak": 2.5},
        {"peak": 10},
    ]


def test_lists_of_numbers_are_in_their_order_and_lists_of_names_as_they_come() -> None:
    for texts, ordered in (
        (["[1024,64]", "[256]", "[64,64]"], ["[64,64]", "[256]", "[1024,64]"]),
        (['["layer2"]', '["layer1"]'], ['["layer2"]', '["layer1"]']),
    ):
        configs: list[varied.Flat] = [{"hidden": text} for text in texts]
        keys = varied.swept(configs)
        found = sorted(configs, key=lambda config: varied.order(config, keys))
        assert [config["hidden"] for config in found] == ordered


def test_many_values_are_summarised() -> None:
    assert varied.summarise([3, 1]) == "3, 1"
    assert varied.summarise([*range(8)]) == "0, 1, 2, 3, 4, 5, 6, 7"
    assert varied.summarise([*range(9)]) == "0, 1, 2, 3, 4, 5, 6, 7, … (9 values)"


def test_a_module_is_named_by_the_class_that_the_user_names() -> None:
    vit = {
        "_target_": "subliminal.models.module.Module",
        "target": "subliminal.models.vit.ViT",
        "args": {"depth": 2},
    }
    own = {**vit, "target": "my_lab.Net", "args": {"width": 8}}
    assert varied.swept([flat(model=vit), flat(model=own)]) == {"model": ["vit", "my_lab.Net"]}
    deeper = {**vit, "args": {"depth": 3}}
    assert varied.swept([flat(model=vit), flat(model=deeper)]) == {"model.args.depth": [2, 3]}


def test_a_baseline_can_be_named() -> None:
    config: varied.Flat = {"mitigation": "liminal", "optim.lr": 0.001, "model.hidden": "[8,8]"}
    assert varied.is_baseline(config, ["mitigation=liminal", "optim.lr=1e-3", "model.hidden=[8,8]"])
    for word in ("mitigation=none", "optim.lr=1e-4", "optim.lr=x", "nothing=1", "mitigation"):
        assert not varied.is_baseline(config, ["optim.lr=0.001", word])
