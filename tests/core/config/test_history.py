"""Files of clustrix 0.1, and names of packages that are not installed."""

from __future__ import annotations

import pytest

from clustrix.config import history
from clustrix.config.fields import settings_fields
from clustrix.errors import ConfigError, UnknownOption
from tests.core.config.conftest import World

PUBLISHED = [
    "api_key",
    "username",
    "password",
    "key_file",
    "cluster_type",
    "cluster_host",
    "cluster_port",
    "default_cores",
    "default_memory",
    "default_time",
    "default_partition",
    "default_queue",
    "remote_work_dir",
    "local_cache_dir",
    "conda_env_name",
    "python_executable",
    "auto_parallel",
    "max_parallel_jobs",
    "job_poll_interval",
    "cleanup_on_success",
    "prefer_local_parallel",
    "local_parallel_threshold",
    "environment_variables",
    "module_loads",
    "pre_execution_commands",
]
"""What ClusterConfig of the published 0.1.1 had."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_field_of_the_first_release_is_known_or_explained(name: str) -> None:
    """It is still a field, or one line says what to write or to install."""
    assert (name in settings_fields(())) != bool(history.advice(name))


def test_name_of_a_package_that_is_not_installed_is_an_error_in_a_call(world: World) -> None:
    """The line says what to install, or what to write now."""
    for name, said in (
        ("cluster_host", 'pip install "clustrix\\[ssh\\]"'),
        ("k8s_image", 'pip install "clustrix\\[k8s\\]"'),
        ("ssh_port", "gone: write cluster_port"),
        ("auto_parallel", "does not have yet"),
    ):
        with pytest.raises(UnknownOption, match=f"unknown option '{name}'; .*{said}"):
            world.settings().configure({name: 1})


def test_name_of_a_package_that_is_not_installed_is_a_note_in_a_file(world: World) -> None:
    """Said once with its line; the rest of the file is used."""
    path = world.write_project("cluster_host: login.uni.edu\ndefault_cores: 4\nssh_port: 22\n")
    with pytest.warns(UserWarning, match="is not used") as caught:
        assert world.settings().current()["default_cores"] == 4
    assert [str(warning.message) for warning in caught] == [
        f'{path}:1: cluster_host is not used: it comes with another package: pip install "clustrix[ssh]"',
        f"{path}:3: ssh_port is not used: a field of clustrix 0.1 that is gone: write cluster_port",
    ]
    assert (
        world.settings().current()["default_cores"] == 4
    )  # and no further warning, which would be an error here


def test_backend_of_a_package_that_is_not_installed_names_it(world: World) -> None:
    """cluster_type: kubernetes, as files of 0.1 have it."""
    with pytest.raises(
        ConfigError,
        match=r'cluster_type=.kubernetes.: install it with: pip install "clustrix\[k8s\]"',
    ):
        world.settings().configure({"cluster_type": "kubernetes"})
    with pytest.raises(ConfigError, match="did you mean 'slurm'"):
        world.settings().configure({"cluster_type": "slrum"})
