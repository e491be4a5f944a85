"""A task is a doorbell: one opaque id. Whatever else it carried would lie in Redis, and be lost with it."""

import inspect

from ehrcommerce.celery import app


def test_every_task_takes_one_id_and_nothing_else() -> None:
    app.finalize(auto=True)
    app.loader.import_default_modules()
    ours = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    assert "ehrcommerce.outbox.run" in ours
    for name, task in ours.items():
        parameters = list(inspect.signature(task.run).parameters.values())
        assert len(parameters) == 1, name
        assert parameters[0].name.endswith("_id"), name
        assert parameters[0].annotation in (str, "str"), name
        assert parameters[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD, name


def test_tasks_leave_no_result_and_are_never_run_in_the_caller() -> None:
    assert app.conf.result_backend is None
    assert app.conf.task_ignore_result is True
    assert app.conf.task_always_eager is False
    assert not app.conf.beat_schedule
