"""The images of the box are made of what the box brings along, and of nothing that only some hosts have."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

CLUSTER = Path(__file__).resolve().parents[2] / "hack" / "cluster"
MAKE = "import images, sys; sys.stdout.buffer.write(images._system())"


def test_the_programs_of_an_image_are_those_that_the_box_unpacked(tmp_path):
    unpacked = tmp_path / "busybox"
    unpacked.write_text("#!/bin/sh\nprintf 'sh\\nls\\nrun\\n'\n")
    unpacked.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.defpath}", "PYTHONPATH": str(CLUSTER)}
    made = subprocess.run([sys.executable, "-c", MAKE], env=environment, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(made)) as layer:
        packed = layer.extractfile("bin/busybox")
        assert packed is not None
        assert packed.read() == unpacked.read_bytes()
        assert layer.getmember("bin/ls").linkname == "busybox"
