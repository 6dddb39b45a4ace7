"""Every error that akid raises on purpose, as one tree.

    AkidError
    ├── SetupError (ValueError)          something can't be set up as it was described
    │   └── ShapeError                   ... because of a tensor's or an array's shape
    ├── DataError (ValueError)           a data set is missing, damaged or not what was asked for
    │   ├── ChecksumError                ... its SHA-256 differs from the published one
    │   └── DownloadError (OSError)      ... it could not be fetched
    ├── TrainingError (RuntimeError)     practice can't go on
    │   ├── DivergedError                ... the loss became NaN or infinite
    │   ├── CheckpointError              ... a checkpoint can't be written or read, or fits no kid
    │   │   └── DiskFullError            ... the disk has no room for it
    │   └── TakenOverError               ... another process has taken over the trial
    ├── ExperimentError (ValueError)     an experiment file or the arguments of `tune` are wrong
    │   ├── TemplateError                ... a hole can't be filled, or the rendering is no Python
    │   └── GridError                    ... a parameter list or a list of GPU numbers is wrong
    ├── ResourceError (RuntimeError)     the cluster is out of reach or never has what is needed
    ├── StorageError (OSError)           an object store or a folder does not answer, or refuses
    └── TrackingError (RuntimeError)     the tracking store can't be opened, or does not answer
        └── RefusedError                 ... refuses what it is given, and always will

Each also is the built-in error that fits, so that `except ValueError` means what one expects.
"""


class AkidError(Exception):
    """Base of every error that akid raises on purpose."""


class SetupError(AkidError, ValueError):
    """A block, a system or a kid can't be set up as it was described."""


class ShapeError(SetupError):
    """A tensor or an array has another shape than the block needs."""


class DataError(AkidError, ValueError):
    """A data set is missing, damaged or not what was asked for."""


class ChecksumError(DataError):
    """A file's SHA-256 differs from the published one."""


class DownloadError(DataError, OSError):
    """A file could not be fetched from any of its addresses."""


class TrainingError(AkidError, RuntimeError):
    """Practice can't go on."""


class DivergedError(TrainingError):
    """The loss became NaN or infinite."""


class CheckpointError(TrainingError):
    """A checkpoint can't be written, read, or does not fit the kid."""


class DiskFullError(CheckpointError):
    """A checkpoint can't be written, because the disk or the quota is full or the disk fails."""


class TakenOverError(TrainingError):
    """Another process has begun to practise the same trial in the same folder."""


class ExperimentError(AkidError, ValueError):
    """An experiment file, or the arguments of `tune`, are wrong."""


class TemplateError(ExperimentError):
    """A hole of the template can't be filled, or the rendered source is not Python."""


class GridError(ExperimentError):
    """A parameter list, or a list of GPU numbers, is not usable."""


class ResourceError(AkidError, RuntimeError):
    """The cluster can't be reached, or it never has what a trial needs."""


class StorageError(AkidError, OSError):
    """An object store or a folder does not answer, or refuses what it is asked for; for now."""


class TrackingError(AkidError, RuntimeError):
    """The tracking store can't be opened, or does not take what it is given; later it may."""


class RefusedError(TrackingError):
    """The tracking store refuses what it is given, and will do so again."""


class DeployError(AkidError, ValueError):
    """The values of a deployment, or the folder that it is to be written to, are wrong."""
