"""The graph that led to a tensor: nodes, blocks, memory, and the tree it is printed as."""

import numpy as np
import pytest

from minires import Tensor, models, no_grad, textbook
from minires import functional as F
from minires.errors import GraphError, UsageError
from minires.inspect import Graph
from minires.inspect.tree import branches


def leaf(shape=(3,)):
    return Tensor(np.ones(shape), requires_grad=True)


def loss_of(net, n=2):
    x = np.random.default_rng(0).standard_normal((n, 3, 8, 8), dtype=np.float32)
    return F.cross_entropy(net(x), np.arange(n))


# --- branches -----------------------------------------------------------------------------


def test_a_chain_is_one_column():
    assert branches([(), (0,), (1,)]) == ["●"] * 3


def test_a_shortcut_forks_and_meets():
    assert branches([(), (0,), (1, 0), (2,)]) == ["●", "●─╮", "● │", "●─╯"]


def test_a_shortcut_of_a_shortcut_passes_by():
    drawn = branches([(), (0,), (1, 0), (2, 0)])
    assert drawn == ["●─╮", "●─┼─╮", "● │ │", "●─┴─╯"]


def test_two_leaves_that_never_meet():
    assert branches([(), (), (1, 0)]) == ["●─╮", "● │", "  ●"]


def test_a_free_column_is_used_again():
    inputs = [(), (0,), (1, 0), (2,), (3, 2)]
    assert max(map(len, branches(inputs))) == 3


# --- nodes --------------------------------------------------------------------------------


def test_nodes_are_in_the_order_they_ran_with_where_their_inputs_came_from():
    x = leaf()
    y = x * 2.0
    graph = Graph((y + y.exp()).sum())
    assert [node.op.name for node in graph.nodes] == ["Mul", "Exp", "Add", "Sum"]
    assert [node.inputs for node in graph.nodes] == [(None,), (0,), (0, 1), (2,)]
    assert [node.shape for node in graph.nodes] == [(3,), (3,), (3,), ()]


@pytest.mark.parametrize("book", [False, True])
def test_of_a_net_the_shapes_are_those_of_the_outputs(book):
    net = models.cifar_resnet(8, "B")
    if book:
        with textbook():
            graph = Graph(loss_of(net))
    else:
        graph = Graph(loss_of(net))
    shapes = {node.op.label: node.shape for node in graph.nodes}
    assert shapes["Conv2d conv1"] == (2, 16, 8, 8)
    assert shapes["Add layer3.0"] == (2, 64, 2, 2)
    assert shapes["Linear fc"] == (2, 10)
    assert shapes["CrossEntropy"] == ()


def test_memory_that_is_shared_is_counted_once_and_parameters_not_at_all():
    x = Tensor(np.ones(100), requires_grad=True)
    y = x.exp()  # saves y
    z = y * 1.0  # saves y again, and a number
    with textbook():
        graph = Graph(z.exp().sum())
    assert [node.saved for node in graph.nodes] == [800, 8, 800, 0]
    w = Tensor(np.ones((5, 4)), requires_grad=True)
    (node,) = Graph(F.linear(np.ones((3, 4)), w)).nodes
    assert node.saved == 3 * 4 * 8


def test_a_net_keeps_about_what_it_is_said_to_keep():
    """Of a batch of 8: every normalised map and every ReLU's output, 4 bytes an element."""
    with textbook():
        graph = Graph(loss_of(models.cifar_resnet(8), 8))
    maps = sum(
        4 * np.prod(node.shape) for node in graph.nodes if node.op.name in ("ReLU", "BatchNorm")
    )
    saved = sum(node.saved for node in graph.nodes)
    assert maps < saved < 1.1 * maps


# --- blocks -------------------------------------------------------------------------------


def test_folded_a_block_is_one_and_what_is_in_no_module_stays():
    graph = Graph(loss_of(models.cifar_resnet(14)))
    labels = [block.label for block in graph.blocks(fold=2)]
    assert labels == [
        *("Conv2d", "BatchNorm", "ReLU", "layer1.0", "layer1.1", "layer2.0", "layer2.1"),
        *("layer3.0", "layer3.1", "GlobalAvgPool2d", "Linear", "CrossEntropy"),
    ]
    layers = [block for block in graph.blocks(fold=1) if block.label.startswith("layer")]
    assert [block.path for block in layers] == ["layer1", "layer2", "layer3"]
    assert layers[1].shape == (2, 32, 4, 4)
    for fold in (None, 1, 2, 3):
        blocks = graph.blocks(fold)
        assert sorted(i for b in blocks for i in b.nodes) == list(range(len(graph.nodes)))
        assert sum(b.saved for b in blocks) == sum(n.saved for n in graph.nodes)
        assert all(i < number for number, b in enumerate(blocks) for i in b.inputs)


def test_a_block_knows_how_many_shortcuts_are_folded_into_it():
    def counted(model, fold):
        return [b.additions for b in Graph(loss_of(model)).blocks(fold) if "layer" in b.path]

    assert counted(models.cifar_resnet(14), 2) == [1] * 6
    assert counted(models.cifar_resnet(14), 1) == [2] * 3
    assert counted(models.cifar_plain(14), 1) == [0] * 3
    shifted = Graph((leaf() * 2 + leaf()).sum())
    assert [b.additions for b in shifted.blocks()] == [0, 0, 0], "a leaf is no shortcut"


def test_unfolded_a_block_is_an_operation():
    graph = Graph(loss_of(models.cifar_plain(8)))
    assert [block.nodes for block in graph.blocks()] == [(i,) for i in range(len(graph.nodes))]


def test_a_fold_of_nothing_raises():
    with pytest.raises(UsageError, match="at least 1; got 0"):
        Graph(leaf().sum()).blocks(0)


# --- text ---------------------------------------------------------------------------------


def test_the_tree_of_a_residual_block_forks_at_the_addition():
    minimal = models.cifar_resnet(8)
    lines = str(Graph(loss_of(minimal))).splitlines()
    tail = [" ".join(line.split()) for line in lines[-9:]]
    assert [line.split(" 2x")[0] for line in tail] == [
        *("●─╮ Add", "● │ BatchNorm", "● │ Conv2d", "● │ ReLU", "● │ BatchNorm", "● │ Conv2d"),
        *("●─╯ ReLU", "● BatchNorm", "● Conv2d"),
    ]
    assert tail[-1].startswith("● Conv2d 2x16x8x8")
    assert tail[-1].endswith("conv1")


def test_a_plain_net_is_a_line():
    assert "╮" not in str(Graph(loss_of(models.cifar_plain(8))))


def test_folded_text_counts_operations():
    text = Graph(loss_of(models.cifar_resnet(8))).text(fold=2)
    assert "layer3.0" in text
    assert "8 operations" in text or "9 operations" in text


# --- what raises --------------------------------------------------------------------------


def test_a_leaf_has_no_graph():
    with pytest.raises(GraphError, match="this tensor is a leaf"):
        Graph(leaf())
    with no_grad(), pytest.raises(GraphError):
        Graph(leaf().sum())


def test_a_graph_that_backward_released_raises():
    y = leaf().exp()
    loss = y.sum()
    loss.backward()
    with pytest.raises(GraphError, match="already been through Sum"):
        Graph(loss)
