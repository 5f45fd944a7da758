"""The commands in the README and the tutorial work as they are written."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
#: Where a reader waits a moment, the test waits for the notification.
ARRIVED = "for i in {1..100}; do curl -s 127.0.0.1:8090/phones/phone-1/tray | grep -q title && break; sleep 0.1; done"


def _script(page: str, *, after: str = "") -> str:
    text = (ROOT / page).read_text(encoding="utf-8")
    text = text.partition(after)[2] if after else text
    return "\n".join(block for block in re.findall(r"(?ms)^```sh\n(.*?)^```", text))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _run(script: str, folder: Path) -> str:
    sandbox, server = _free_port(), _free_port()
    script = script.replace("/path/to/homing/.venv/bin", str(BIN)).replace("/tmp/first-push", str(folder / "first-push"))
    script = script.replace("127.0.0.1:8090", f"127.0.0.1:{sandbox}").replace("127.0.0.1:8080", f"127.0.0.1:{server}")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "HOMING_LISTEN": f"127.0.0.1:{server}"}
    with subprocess.Popen(
        ["bash", "-e"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(script, timeout=90)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the servers, when the script did not come to its end
    assert process.returncode == 0, output
    return output


def test_the_commands_of_the_readme_push_to_a_phone(tmp_path: Path) -> None:
    script = _script("README.md", after="## Push to a phone, by hand").replace("sleep 1", ARRIVED)
    output = _run(script, tmp_path)
    assert '"title":"Alice"' in output.replace('": "', '":"')
    assert "Dinner at eight?" in output
    assert "accepted by the vendor" in output


@pytest.mark.parametrize(
    ("page", "heading"),
    [("docs/tutorial/first-push.md", "## With your own app"), ("docs/tutorial/first-push.zh.md", "## 换成自己的应用")],
)
def test_the_commands_of_the_tutorial_push_and_explain(page: str, heading: str, tmp_path: Path) -> None:
    look = "curl -sw '\\n' 127.0.0.1:8090/phones/phone-1/tray\n"
    script = _script(page, after=heading).replace(look, f"{ARRIVED}\n{look}")
    output = _run(script, tmp_path)
    assert '"activity"' in output
    assert "[no_description]" in output


def test_the_python_client_works_as_it_is_shown(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/use-the-python-client.md").read_text(encoding="utf-8")
    program, *fragments = re.findall(r"(?ms)^```python\n(.*?)^```", page)
    for fragment in fragments:
        compile(fragment, "fragment", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    before, _, _ = _script("docs/how-to/use-the-python-client.md").rpartition("python3 chat.py")
    ready = "curl -s --retry 9 --retry-connrefused 127.0.0.1:8080/readyz"
    run = f"cat >chat.py <<'END'\n{program}END\npython3 chat.py\nkill %1\n"
    output = _run(f"export PATH={BIN}:$PATH\n{before}\n{ready}\n{run}", tmp_path)
    assert "alice: Dinner at eight?" in output


def test_both_readmes_show_the_same_commands() -> None:
    english = _script("README.md").replace("Dinner at eight?", "…")
    chinese = _script("README.zh-CN.md").replace("八点吃饭？", "…")
    without_comments = [re.sub(r" +#.*", "", text) for text in (english, chinese)]
    assert without_comments[0] == without_comments[1]
