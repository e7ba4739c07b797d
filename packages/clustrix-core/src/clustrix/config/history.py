"""Names that are not known here: those of packages that are not installed, and those of clustrix 0.1 that are gone."""

from __future__ import annotations

_FIELDS = {
    "ssh": """cluster_host cluster_port username key_file password password_command default_partition default_queue remote_work_dir
        conda_env_name python_executable module_loads pre_execution_commands
        ssh_connect_timeout package_manager replicate_local_environment excluded_packages cluster_packages
        venv_post_install_commands venv_setup_timeout""",
    "k8s": "k8s_namespace k8s_image k8s_service_account k8s_pull_policy k8s_job_ttl_seconds k8s_backoff_limit",
    "cloud": """cloud_provider cloud_region k8s_provider k8s_cluster_name k8s_node_count k8s_node_type k8s_version k8s_region
        k8s_auto_cleanup aws_profile aws_region aws_access_key_id aws_secret_access_key aws_session_token eks_cluster_name
        azure_subscription_id azure_resource_group azure_tenant_id azure_client_id azure_client_secret azure_region
        aks_cluster_name gcp_project_id gcp_zone gcp_region gcp_service_account_key gke_cluster_name cost_monitoring""",
}
"""Extra to the names that come with it."""

_GONE = {
    "ssh_port": "write cluster_port",
    "aws_access_key": "write aws_access_key_id",
    "aws_secret_key": "write aws_secret_access_key",
    "use_env_password": "set CLUSTRIX_PASSWORD in the environment, or password_command",
    "password_env_var": "set CLUSTRIX_PASSWORD in the environment, or password_command",
    "cache_credentials": "leave it out; passwords are asked for when they are needed",
    "credential_cache_ttl": "leave it out; passwords are asked for when they are needed",
    "api_key": "leave it out; nothing had read it",
    "local_work_dir": "leave it out; a local job runs in the folder of its submitter",
    "local_cache_dir": "set XDG_STATE_HOME in the environment, to have jobs and results elsewhere",
    "config_dir": "set XDG_CONFIG_HOME in the environment",
    "use_two_venv": "leave it out; a job has one environment",
    "venv_info": "leave it out; it was no setting",
    "k8s_remote": "leave it out",
    "k8s_from_scratch": "leave it out",
    "auto_provision_k8s": "leave it out; clusters are made by commands, not by a call",
    "cloud_auto_configure": "leave it out; clusters are made by commands, not by a call",
    "aws_cluster_type": 'write cluster_type: "eks"',
    "auto_install_deps": "leave it out; nothing is installed behind your back",
    **dict.fromkeys(
        ("aws_instance_type", "azure_instance_type", "gcp_instance_type"),
        "write k8s_node_type",
    ),
    **dict.fromkeys(
        (
            "auto_gpu_parallel",
            "max_gpu_parallel_jobs",
            "gpu_detection_enabled",
            "auto_gpu_packages",
            "cuda_version_preference",
            "gpu_memory_fraction",
            "prefer_gpu_execution",
            "gpu_requirements",
            "rapids_ecosystem",
        ),
        "leave it out; GPUs are not chosen here",
    ),
    **dict.fromkeys(
        (
            "lambda_instance_type",
            "lambda_api_key",
            "hf_hardware",
            "hf_token",
            "hf_username",
            "hf_sdk",
            "hf_namespace",
            "hf_flavor",
            "hf_image",
            "hf_job_timeout",
            "hf_allow_gpu_flavors",
        ),
        "leave it out; this provider is not supported",
    ),
}
"""What to do instead."""


_TO_COME = frozenset({"auto_parallel", "prefer_local_parallel", "local_parallel_threshold"})


def advice(name: str) -> str:
    """One line about a name of 0.1 or of another package; empty for any other name."""
    if name in _GONE:
        return f"a field of clustrix 0.1 that is gone: {_GONE[name]}"
    if name in _TO_COME:
        return (
            "a field of clustrix 0.1 that this release does not have yet: leave it out, and call f.map(items)"
        )
    for extra, names in _FIELDS.items():
        if name in names.split():
            return f'it comes with another package: pip install "clustrix[{extra}]"'
    return ""
