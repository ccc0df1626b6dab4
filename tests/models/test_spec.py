"""The names and settings of models: parsed once, printed back, built."""

import pytest

from minires import models
from minires.errors import NameWarning, UsageError
from minires.models import NetSpec
from minires.models.spec import IMAGENET_NAMES


@pytest.mark.parametrize(
    ("name", "kind", "depth"),
    [("plain20", "plain", 20), ("resnet1202", "resnet", 1202), ("preact164", "preact", 164)],
)
def test_a_name_is_parsed_and_printed_back(name, kind, depth):
    spec = NetSpec.parse(name)
    assert (spec.kind, spec.depth, str(spec)) == (kind, depth, name)
    assert spec == NetSpec(kind, depth)
    assert spec.image(1) == (1, 32, 32)


@pytest.mark.parametrize(
    "wrong",
    [
        *("resnet", "resnet18", "plain2", "vgg20", "resnet20x", " resnet20", "resnet-4", ""),
        *("preact12", "preact2", "preact", "pre164", "preact0164", "resnet20\n"),
    ],
)
def test_an_unknown_name_is_answered_with_what_there_is(wrong):
    with pytest.raises(
        UsageError, match=r"no net .*; expected plain .* 6n \+ 2.* 9n \+ 2"
    ) as error:
        NetSpec.parse(wrong)
    assert repr(wrong) in str(error.value)
    assert "large" not in str(error.value)


@pytest.mark.parametrize("wrong", ["resnet20", "plain50", "preact164", "resnet", "vgg16"])
def test_an_unknown_name_of_the_family_imagenet(wrong):
    there = {"resnet20", "plain50", "preact164"}
    small = f"; {wrong} is a net for images of 32x32 pixels" if wrong in there else ""
    said = f"no net '{wrong}' for large images; there are: {', '.join(IMAGENET_NAMES)}{small}$"
    with pytest.raises(UsageError, match=said):
        NetSpec.parse(wrong, "imagenet")


@pytest.mark.parametrize(
    ("wrong", "family", "meant"),
    [
        *(("plain21", "cifar", "plain20"), ("ResNet-56", "cifar", "resnet56")),
        *(("resnt56", "any", "resnet56"), ("resnet1200", "any", "resnet1202")),
        *(("resnet35", "any", "resnet34"), ("resnet-50", "imagenet", "resnet50")),
        *(("preakt164", "cifar", "preact164"), ("plain0", "cifar", "plain8")),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(wrong, family, meant):
    with pytest.raises(UsageError, match=rf"; did you mean {meant}\?$"):
        NetSpec.parse(wrong, family)


@pytest.mark.parametrize("wrong", ["", "vgg16", "resnet", "preact12x", "9" * 1000])
def test_a_name_like_none_gets_no_suggestion(wrong):
    with pytest.raises(UsageError, match="no net") as error:
        NetSpec.parse(wrong)
    assert "mean" not in str(error.value)


@pytest.mark.parametrize("depth", [50, 152])
def test_a_depth_of_both_families_has_a_name_for_each(depth):
    """resnet50 has 6 * 8 + 2 layers, and is in table 1 too."""
    name = f"resnet{depth}"
    small, large = NetSpec("resnet", depth), NetSpec("resnet", depth, "imagenet")
    for family in ("cifar", "any"):
        assert NetSpec.parse(f"cifar-{name}", family) == small
    for family in ("imagenet", "any"):
        assert NetSpec.parse(f"imagenet-{name}", family) == large
    assert (small.name, large.name) == (f"cifar-{name}", name)
    said = f"{name} is taken for cifar-{name}, .* 32x32 pixels; imagenet-{name} is .* 224x224"
    with pytest.warns(NameWarning, match=said):
        assert NetSpec.parse(name) == small
    said = f"{name} is taken for imagenet-{name}, .* 224x224 pixels; cifar-{name} is .* 32x32"
    with pytest.warns(NameWarning, match=said):
        assert NetSpec.parse(name, "any") == large
    with pytest.raises(UsageError, match=f"; {name} is a net for images of 224x224 pixels$"):
        NetSpec.parse(f"imagenet-{name}")
    with pytest.raises(UsageError, match=f"; {name} is a net for images of 32x32 pixels$"):
        NetSpec.parse(f"cifar-{name}", "imagenet")


def test_a_family_that_is_asked_for_decides():
    large = NetSpec("resnet", 50, "imagenet", "B")
    assert NetSpec.parse("resnet50", "imagenet") == large
    assert large.image() == (3, 224, 224)
    assert (NetSpec.parse("resnet20").name, NetSpec.parse("resnet18", "any").name) == (
        "resnet20",
        "resnet18",
    )
    assert NetSpec.parse("resnet20", "any") == NetSpec.parse("resnet20")
    with pytest.raises(
        UsageError, match=r"9n .* or, for large images, one of resnet18, .*, plain34"
    ):
        NetSpec.parse("resnet21", "any")


def test_settings_reach_the_model():
    model = NetSpec.parse("resnet8", shortcut="C").build(7, 1)
    assert model.layer1[0].shortcut == "C"
    assert model.fc.weight.shape == (7, 64)
    assert model.conv1.weight.shape == (16, 1, 3, 3)
    assert NetSpec.parse("resnet8").build(0).fc.weight.shape == (0, 64)
    assert NetSpec("preact", 11).build().fc.weight.shape == (10, 256)
    assert NetSpec("plain", 18, "imagenet").build().layer1[0].shortcut is None
    stride = [layer.stride for layer, _ in models.imagenet_net("resnet50").layer2[0].layers]
    assert stride == [1, 2, 1]
    old = NetSpec.parse("resnet50", "imagenet", stride_in="1x1").build(5)
    assert [layer.stride for layer, _ in old.layer2[0].layers] == [2, 1, 1]
    assert old.fc.weight.shape[0] == 5


@pytest.mark.parametrize("kind", ["plain", "preact"])
def test_a_shortcut_of_a_model_that_has_none_raises(kind):
    with pytest.raises(UsageError, match=f"{kind}11 has no shortcuts to choose, got shortcut B"):
        NetSpec(kind, 11, shortcut="B")


@pytest.mark.parametrize(
    "made",
    [
        lambda: NetSpec("vgg", 20),
        lambda: NetSpec("resnet", 20, "mnist"),
        lambda: NetSpec.parse("resnet20", "mnist"),
    ],
)
def test_kinds_and_families_that_do_not_exist_raise(made):
    with pytest.raises(UsageError, match=r"no net .*'(vgg|mnist)'.*; expected"):
        made()
