"""The compose file and the image without an engine: Compose's own reading, hadolint, and what only this project knows."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

import streamer
from streamer import commands
from streamer.settings import Settings, load
from streamer.stream.health import Health
from tests.stream.live import Calls, setup, wait_until

ROOT = Path(__file__).parent.parent
JOBS = {"topics", "traffic"}
"""Services that end by themselves."""


def installed(tool):
    """A tool of the dev extra, wherever the environment has it."""
    found = shutil.which(tool, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found, f"{tool} is missing; `make env` installs it"
    return found


@pytest.fixture(scope="module")
def composed():
    """The file as Compose reads it: checked by its schema, variables and anchors resolved."""
    command = [installed("docker-compose"), "-f", "docker-compose.yml", "--profile", "*", "config", "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def services(composed):
    return composed["services"]


@pytest.fixture(scope="module")
def ours(services):
    return {name: service for name, service in services.items() if "build" in service}


def test_nothing_is_started_unasked_but_what_the_readme_names(services):
    assert set(services) == {"kafka", "topics", "worker", "trainer", "signals", "traffic", "prometheus", "grafana"}
    assert {name for name, service in services.items() if service.get("profiles")} == {"traffic"}


def test_the_dockerfile_is_good_style():
    done = subprocess.run([installed("hadolint"), "--no-color", "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_images_are_pinned(services, ours):
    pinned = re.compile(r":v?\d+\.\d+\.\d+(-[a-z-]+)?$")
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    for image in [*bases, *(service["image"] for service in services.values())]:
        assert pinned.search(image), image
    assert {service["image"] for service in ours.values()} == {f"streamer:{streamer.__version__}"}
    lock = (ROOT / "streamer/kafka/broker.lock.json").read_text("utf-8")
    assert services["kafka"]["image"] == "apache/kafka:" + re.search(r"kafka_2\.13:([\d.]+)", lock)[1]


def test_nothing_runs_as_root_or_may_become_it(services, ours):
    for name, service in services.items():
        assert service["user"].split(":")[0] not in {"", "0", "root"}, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
    (user,) = re.findall(r"^USER (\S+)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert {service["user"] for service in ours.values()} == {user}


def test_file_systems_are_read_only_where_the_image_allows_it(services):
    assert {name for name, service in services.items() if not service.get("read_only")} == {"kafka"}


def test_ports_are_open_to_this_machine_alone(services):
    ports = {port["target"]: port["host_ip"] for service in services.values() for port in service.get("ports", ())}
    assert ports == dict.fromkeys((9092, 6067, 6057, 6058, 9090, 3000), "127.0.0.1")


def test_who_works_has_the_time_to_end_that_the_page_on_upgrades_asks_for():
    least_s = 3 * Settings().drain_s + 10
    told = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    for name in ("worker", "trainer", "signals"):
        assert float(told[name]["stop_grace_period"].removesuffix("s")) >= least_s, name


def test_what_is_mounted_exists_and_stays_as_it_is(services):
    mounted = [
        mount for service in services.values() for mount in service.get("volumes", ()) if mount["type"] == "bind"
    ]
    assert mounted
    for mount in mounted:
        assert Path(mount["source"]).is_dir(), mount["source"]
        assert mount["read_only"], mount


def test_everything_that_lasts_is_asked_for_its_health(services):
    assert {name for name, service in services.items() if "healthcheck" not in service} == JOBS
    assert {name for name, service in services.items() if service["restart"] != "unless-stopped"} == JOBS


def test_everything_waits_for_what_it_needs(services):
    waits = {
        name: {other: needed["condition"] for other, needed in service.get("depends_on", {}).items()}
        for name, service in services.items()
    }
    assert waits["topics"] == {"kafka": "service_healthy"}
    assert waits["worker"] == waits["trainer"] == waits["signals"] == {"topics": "service_completed_successfully"}
    assert waits["traffic"] == {"worker": "service_healthy"}


def test_the_environment_is_settings_that_there_are(ours, monkeypatch):
    for name in [name for name in os.environ if name.startswith("STREAMER_")]:
        monkeypatch.delenv(name)
    for service in ours.values():
        with monkeypatch.context() as inside:
            for name, value in service["environment"].items():
                inside.setenv(name, value)
            settings = load()
            assert (settings.bootstrap, settings.metrics_host) == ("kafka:29092", "0.0.0.0")


@pytest.mark.parametrize("service", ["topics", "worker", "trainer", "signals", "traffic"])
def test_commands_are_ours(ours, service):
    assert service in ours
    name, *words = ours[service]["command"]
    command = commands.load(name)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, list(words))


def test_the_trainer_writes_where_a_volume_is(services):
    trainer = services["trainer"]
    assert trainer["environment"]["STREAMER_TRAINER_DATA"] in {mount["target"] for mount in trainer["volumes"]}


@pytest.mark.parametrize("name", ["worker", "trainer", "signals"])
def test_health_is_asked_as_it_is_told(services, name):
    known = Settings()
    own = {"worker": known.metrics_port, "trainer": known.trainer_metrics_port, "signals": known.signals_metrics_port}[
        name
    ]
    kind, _, *asking = services[name]["healthcheck"]["test"]
    assert (kind, [port["target"] for port in services[name]["ports"]]) == ("CMD", [own])
    reasons = {}
    health = Health("127.0.0.1", 0, CollectorRegistry(), dict, lambda: reasons)
    try:
        ask = [sys.executable, *(word.replace(str(own), str(health.port)) for word in asking)]
        assert ask[-1] != asking[-1]
        assert subprocess.run(ask, timeout=30).returncode == 0
        reasons["kafka"] = "away"
        assert subprocess.run(ask, stderr=subprocess.DEVNULL, timeout=30).returncode != 0
    finally:
        health.close()


def test_prometheus_scrapes_what_the_services_open(services):
    written = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    targets = {
        target for job in written["scrape_configs"] for group in job["static_configs"] for target in group["targets"]
    }
    assert targets >= {"worker:6067", "trainer:6057", "signals:6058"}
    for target in targets:
        host, port = target.split(":")
        opened = {each["target"] for each in services.get(host, {}).get("ports", ())}
        assert host == "localhost" or int(port) in opened, target
    for pattern in written["rule_files"]:
        inside = pattern.removeprefix("/etc/prometheus/")
        assert list((ROOT / "deploy/prometheus").glob(inside)), pattern


def test_grafana_finds_prometheus_and_its_dashboards(services):
    mounted = {
        mount["target"]: Path(mount["source"]) for mount in services["grafana"]["volumes"] if mount["type"] == "bind"
    }
    provisioning = mounted["/etc/grafana/provisioning"]
    sources, providers = (
        [entry for file in (provisioning / kind).glob("*.y*ml") for entry in yaml.safe_load(file.read_text())[key]]
        for kind, key in (("datasources", "datasources"), ("dashboards", "providers"))
    )
    assert [source["url"] for source in sources] == ["http://prometheus:9090"]
    for provider in providers:
        path = Path(provider["options"]["path"])
        (target,) = [target for target in mounted if path.is_relative_to(target)]
        assert list((mounted[target] / path.relative_to(target)).rglob("*.json")), path
    opened = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounted[str(opened.parent)] / opened.name).is_file()


def test_what_the_image_is_built_from_is_not_left_out():
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = set()
    for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied |= set(line.split()[1:-1])
    assert copied == let_in
    for name in copied:
        assert (ROOT / name).exists(), name


@pytest.mark.broker
def test_a_worker_does_with_a_read_only_file_system(services, kafka_settings):
    """The same process, its root file system made read-only but for what the compose file mounts."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("only root can make a file system read-only for a process")
    home = Path("/home/streamer")
    written = [mount["target"] for mount in services["worker"]["volumes"]] + services["worker"]["tmpfs"]
    assert written == ["/home/streamer/.cache", "/tmp"]
    with tempfile.TemporaryDirectory(prefix="streamer-read-only-") as folder:
        cache, scratch = Path(folder) / home.name / ".cache", Path(folder) / "scratch"
        scratch.mkdir()
        compiled = Path(os.environ["NUMBA_CACHE_DIR"])
        # Another test may be writing there at this moment.
        ignored = shutil.ignore_patterns("*.tmp.*")
        shutil.copytree(compiled, cache / "streamer" / "numba" / compiled.name, ignore=ignored)
        script = (
            f"mount --bind {cache} {cache} && mount --bind {scratch} {scratch} && mount -o remount,bind,ro / && "
            f"{{ ! touch {folder}/written 2>/dev/null; }} && exec {sys.executable} -m streamer worker"
        )
        own = ("STREAMER_", "NUMBA_", "XDG_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        env = inherited | {
            "HOME": str(cache.parent),
            "TMPDIR": str(scratch),
            "PYTHONPATH": str(ROOT),
            "STREAMER_BOOTSTRAP": kafka_settings.bootstrap,
            "STREAMER_PREFIX": kafka_settings.prefix,
            "STREAMER_PARTITIONS": "4",
            "STREAMER_GROUP": kafka_settings.group,
            "STREAMER_METRICS_PORT": "0",
            "STREAMER_MAX_CALLERS": "10000",
        }
        log = (scratch / "log").open("w+")
        worker = subprocess.Popen(["unshare", "--mount", "bash", "-ec", script], env=env, cwd=folder, stderr=log)
        try:
            calls = Calls(kafka_settings)
            calls.publish(setup("judged", "+77010000001"))
            missing = calls.until({"judged"})
            log.seek(0)
            assert not missing, log.read()
            worker.terminate()
            wait_until(lambda: worker.poll() is not None)
            assert worker.returncode == 0
        finally:
            worker.kill()
            worker.wait()
            log.close()
