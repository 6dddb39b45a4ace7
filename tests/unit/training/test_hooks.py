from akid.training.hooks import Hooks


def test_each_object_has_its_own_lists() -> None:
    """A hook of one kid is not a hook of another."""
    first: Hooks[object] = Hooks()
    second: Hooks[object] = Hooks()
    first.on_batch_begin.append(print)

    assert second.on_batch_begin == []


def test_hook_lists_follow_one_naming_scheme_defect_43() -> None:
    """The list of the training log is `on_train_log_step`, named as all others are."""
    assert set(vars(Hooks())) == {
        "on_train_begin",
        "on_batch_begin",
        "on_train_log_step",
        "on_val_log_step",
        "on_checkpoint",
        "on_checkpoint_refused",
        "on_epoch_end",
        "on_batch_monitoring",
        "on_train_end",
    }
