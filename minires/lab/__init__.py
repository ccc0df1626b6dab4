"""The laboratory: two nets that learn side by side, changed while they do; `minires lab`.

Two processes and a page:

    browser          page/: plain modules of JavaScript; draws what it is sent, keeps nothing
      |  websocket   down: the newest scene, frame, look and notice, as JSON; up: commands
    server           web.py: loopback alone, a token in the address; forwards, computes nothing
      |  pipe        the same messages, in the same bytes
    training         worker.py: a process of its own; obeys between two training steps

What is computed is a `Session` (session.py): two trainings (training.py), each of a net,
that take a training step in turn on the same images. A session knows neither processes nor pages,
and is made of its address alone (address.py): the settings, and every surgery with the step before
which it was done. A session opened from an address gives the same curves again, to the bit; so
what is shown must not change what is computed. Numbers of layers are read from weights, gradients
and velocities after a step; activations come from forward passes of their own, on test images,
that update nothing. (A hook on the training's own pass would make its lazy arrays be computed in
another order, and their last bits with it.)

The walk (walk.py) is the page of `minires step`, recorded at the weights of now from the training
step that comes, while training pauses. It is served on demand, in a frame in the page. What a
gradient is multiplied by there is a surgery (gradients.py) on an operation of that step.

A surgery (surgery.py) is a step, a net, a kind, a module and a value. What lasts, such as a cut
shortcut, exchanges a block by an `EditedBlock` with the same parameters. Before each surgery both
trainings are saved in memory; undo returns to that moment, and takes the surgery out of the
address.

Messages are replaced, not queued: the server keeps the last one of each kind, and a page that is
slow gets the newest when it is ready for one. A second page shows the same session. The state of
the page is its address (after "#") and what it was sent last; curves come whole, thinned to a few
hundred points, so that a page that was closed and opened again misses nothing.
"""

from .address import format_address, parse_address
from .config import LabConfig, NetConfig
from .opening import Shown, show
from .session import Session
from .surgery import Surgery
