"""The course: what its chapters need and a user of the library does not. Imported by chapters, widgets and tests alone.

- `answer`, `progress`: exercises, one file a chapter (chapter_NN.py), with the experiments that it shows.
- `quiz`, `predict` and `recall`: questions that explain themselves, and a prediction that is kept to the chapter's end.
- `room`: what everybody in a room predicted, from their progress files.
- `open_run`, `checkpoints`: what was recorded; `spread` says what its seeds say; `record`, `rerun` compute it
  (`python -m dgkit.course record NAME`).
- `python -m dgkit.course export` and `collect`: exercises for graders, and handed-in notebooks graded.
- `budget`: full size, or one that runs in seconds.
"""

import lazy_loader

from dgkit._moved import forwarding
from dgkit.course.memory import give_back_after_cells
from dgkit.course.outputs import describe_outputs

_attached, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = forwarding(__name__, _attached)

give_back_after_cells()
describe_outputs()
