"""A stand-in for W&B's server, on loopback: keeps what the real client sends, and can fail.

It answers what client 0.31 asks for training, resuming, reports, dashboards and agents. An
operation that it does not know is answered 400 and counted, so that a newer client shows itself.
History is kept by line, as the client numbers them: a line that is sent again is there twice.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

KEY = "0123456789abcdef" * 2 + "01234567"
ENTITY = "tester"
LONGEST_NAME = 128
Plain = dict[str, Any]
Kind = int | Literal["hang", "drop", "slow", "die"]  # an int is the status that is answered


class Refused(Exception):
    """W&B would not take it."""


@dataclass
class Run:
    """What the server has of a run."""

    project: str
    name: str  # the id that the client chose
    facts: Plain = field(default_factory=dict)  # displayName, groupName, jobType, sweep, …
    config: Plain = field(default_factory=dict)
    summary: Plain = field(default_factory=dict)
    lines: dict[int, str] = field(default_factory=dict)  # history, by offset
    files: dict[str, bytes] = field(default_factory=dict)
    exitcode: int | None = None  # it has ended
    stop: bool = False  # the button was pressed

    @property
    def history(self) -> list[Plain]:
        return [json.loads(self.lines[offset]) for offset in sorted(self.lines)]


@dataclass
class Fault:
    """What goes wrong with the requests whose name has `part` in it."""

    part: str  # of an operation's name, or of `stream`, `upload`; empty: all
    kind: Kind
    times: int | None = None  # None: for ever
    seen: int = 0


class Server:
    """The server and what it was told."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.views: dict[str, Plain] = {}
        self.projects: set[str] = set()
        self.commands: list[Plain] = []  # for agents: one is handed out at each heartbeat
        self.sweep: Plain = {"method": "grid", "parameters": {"seed": {"value": 3}}}
        self.stops: list[str] = []  # runs of such a name are stopped as they begin
        self.requests: list[str] = []
        self.unknown: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the variables of a client that knows this server alone, with its own folders."""
        folders = {f"WANDB_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "CACHE", "DATA")}
        known = {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY, "NETRC": str(folder / "netrc")}
        return {**folders, **known, "WANDB_ERROR_REPORTING": "false"}

    def start(self) -> None:
        """Begin to listen, at the address of before if there was one."""
        self.dead = threading.Event()
        self._http = _Http(
            ("127.0.0.1", self._port), type("Handler", (_Handler,), {"stand_in": self})
        )
        self._port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Die: connections are refused from here on, and those that are open dropped."""
        if not self.dead.is_set():
            self.dead.set()
            self._http.shutdown()
            self._http.server_close()

    def fault(self, part: str, kind: Kind, times: int | None = None) -> None:
        """Let requests fail from here on."""
        self.faults.append(Fault(part, kind, times))

    def kind(self, name: str) -> Kind | None:
        with self.lock:
            self.requests.append(name)
            for fault in self.faults:
                if fault.part in name and (fault.times is None or fault.seen < fault.times):
                    fault.seen += 1
                    return fault.kind
        return None


@contextmanager
def serving() -> Iterator[Server]:
    """A server, until the block ends."""
    server = Server()
    try:
        yield server
    finally:
        server.stop()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None: ...  # clients may hang up


class _Handler(BaseHTTPRequestHandler):
    stand_in: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self._serve()

    do_PUT = do_POST = do_GET

    def _serve(self) -> None:
        server, place = self.stand_in, unquote(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = json.loads(body) if place == "/graphql" else {}
        found = re.search(r"\b(?:query|mutation)\s+(\w+)", asked.get("query", ""))
        name = found[1] if found else "stream" if place.endswith("/file_stream") else "upload"
        kind, dead = server.kind(name), server.dead
        if kind == "die":
            server.stop()
        if kind == "hang":
            dead.wait()
        if kind == "slow":
            time.sleep(1.0)
        if kind == "drop" or dead.is_set():
            self.close_connection = True
        elif isinstance(kind, int):
            self._answer({"error": f"fault of the test: {kind}"}, kind)
        else:
            with server.lock:
                self._obey(name, place, body, asked.get("variables") or {})

    def _obey(self, name: str, place: str, body: bytes, variables: Plain) -> None:
        server, operation = self.stand_in, globals().get(f"_{name[0].lower()}{name[1:]}")
        if name == "stream":
            self._answer(_stream(server.runs[place.split("/")[4]], json.loads(body)))
        elif name == "upload":
            _, _, run, file = place.split("/", 3)
            server.runs[run].files[file] = body
            self._answer({})
        elif name in _FIXED:
            self._answer({"data": _FIXED[name]})
        elif operation is None:
            server.unknown[name] += 1
            self._answer({"errors": [{"message": f"unknown operation {name}"}]}, 400)
        else:
            try:
                self._answer({"data": operation(server, variables)})
            except Refused as error:
                self._answer({"errors": [{"message": str(error)}]}, 400)

    def _answer(self, content: Plain, status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _stream(run: Run, body: Plain) -> Plain:
    for name, part in (body.get("files") or {}).items():
        if name == "wandb-history.jsonl":
            run.lines.update(enumerate(part["content"], start=part["offset"]))
        elif name == "wandb-summary.json":
            run.summary = json.loads(part["content"][-1])
    if body.get("complete"):
        run.exitcode = body["exitcode"]
    return {"exitcode": None, "limits": {}, "stopped": run.stop}


# What answers an operation is called as it is, with an underscore. Training and resuming:
_ENTITY = {"id": "1", "name": ENTITY}
_PAGE = {"endCursor": None, "hasNextPage": False}
_VIEWER = {"id": "1", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}"}
_SEQUENCE = {"id": "s", "latestArtifact": None}
_ARTIFACT = {"id": "a", "state": "COMMITTED", "artifactSequence": _SEQUENCE}  # it is there already
# Operations that are always answered the same.
_FIXED: Plain = {
    "Viewer": {"viewer": {**_VIEWER, "teams": {"edges": [{"node": {"name": ENTITY}}]}}},
    "GetDefaultEntity": {"viewer": _VIEWER},
    "ServerFeaturesQuery": {"serverInfo": {"features": []}},
    "ArtifactType": {"project": None},
    "CreateArtifact": {"createArtifact": {"artifact": _ARTIFACT}},
    "CreateAgent": {"createAgent": {"agent": {"id": "agent"}}},
}


def _upsertBucket(server: Server, asked: Plain) -> Plain:
    if any(len(asked.get(key) or "") > LONGEST_NAME for key in ("displayName", "groupName")):
        raise Refused("the name is too long")
    name, project = asked["name"], asked.get("project") or "uncategorized"
    inserted, run = name not in server.runs, server.runs.setdefault(name, Run(project, name))
    server.projects.add(project)
    run.facts |= {key: value for key, value in asked.items() if value is not None}
    run.stop = any(part in run.facts.get("displayName", "") for part in server.stops)
    if asked.get("config"):
        run.config = json.loads(asked["config"])
    return {"upsertBucket": {"bucket": _bucket(run), "inserted": inserted}}


def _bucket(run: Run) -> Plain:
    project = {"id": run.project, "name": run.project, "entity": _ENTITY}
    facts = {"id": run.name, "name": run.name, "displayName": run.facts.get("displayName")}
    facts |= {"description": None, "notes": None, "tags": run.facts.get("tags") or []}
    facts |= {"config": json.dumps(run.config), "sweepName": run.facts.get("sweep")}
    return {**facts, "historyLineCount": len(run.lines), "project": project}


def _runResumeStatus(server: Server, asked: Plain) -> Plain:
    run = server.runs.get(asked["name"])
    model = {"id": asked["project"], "name": asked["project"], "entity": _ENTITY, "bucket": None}
    if run is not None:
        tail = [run.lines[offset] for offset in sorted(run.lines)[-1:]]
        counts = {"logLineCount": 0, "eventsLineCount": 0, "eventsTail": "[]"}
        counts |= {"historyTail": json.dumps(tail), "wandbConfig": json.dumps({"t": 1})}
        model["bucket"] = _bucket(run) | counts | {"summaryMetrics": json.dumps(run.summary)}
    return {"model": model}


def _createRunFiles(server: Server, asked: Plain) -> Plain:
    place = f"{server.url}/upload/{asked['run']}"
    files = [{"name": file, "uploadUrl": f"{place}/{file}"} for file in asked["files"]]
    return {"createRunFiles": {"runID": asked["run"], "uploadHeaders": [], "files": files}}


# Dashboards:
def _getProjects(server: Server, asked: Plain) -> Plain:
    fixed = {"entityName": ENTITY, "createdAt": "", "isBenchmark": False, "user": None}
    nodes = [{"node": {"id": name, "name": name, **fixed}} for name in server.projects]
    return {"models": {"pageInfo": _PAGE, "edges": nodes}}


def _projectInternalId(server: Server, asked: Plain) -> Plain:
    return {"project": {"id": asked["projectName"], "internalId": asked["projectName"]}}


def _upsertView2(server: Server, asked: Plain) -> Plain:
    number = asked.get("id") or f"view{len(server.views)}"
    project = {"id": "p", "name": asked["projectName"], "entityName": asked["entityName"]}
    dates = dict.fromkeys(("createdAt", "updatedAt"), "2026-01-01T00:00:00")
    server.views[number] = {**asked, **dates, "id": number, "project": project, "user": None}
    return {"upsertView": {"view": server.views[number], "inserted": False}}


_upsertView = _upsertView2


def _projectViews(server: Server, asked: Plain) -> Plain:
    kind, name = asked.get("viewType", "runs"), asked.get("viewName")
    found = [v for v in server.views.values() if v["type"] == kind and name in (None, v["name"])]
    edges = [{"node": view, "cursor": view["id"]} for view in found]
    return {"project": {"allViews": {"edges": edges, "pageInfo": _PAGE}}}


_view = _projectViews


# Agents:
def _sweepWithRuns(server: Server, asked: Plain) -> Plain:
    sweep = {"id": "s", "name": asked["sweep"], "method": "grid", "runs": {"edges": []}}
    return {"project": {"sweep": {**sweep, "state": "RUNNING", "config": json.dumps(server.sweep)}}}


def _heartbeat(server: Server, asked: Plain) -> Plain:
    commands = json.dumps([server.commands.pop(0)] if server.commands else [])
    return {"agentHeartbeat": {"agent": {"id": "agent"}, "commands": commands}}
