"""Executes the notebooks side by side before Jupyter Book is called, which would take one after the other.

What runs here Jupyter Book finds in its cache, under the same key as if it had executed it. What fails is not kept:
Jupyter Book executes that notebook again, alone, and reports the fault as it does any other.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from sphinx_external_toc.parsing import parse_toc_yaml

CORES = os.cpu_count() or 1
CACHE = "_build/.jupyter_cache"
# What the notebooks would train themselves, a study at a time.
LIVE = ["run", "all", "--scale", "digits", "--jobs", str(CORES), "--quiet"]
TRAIN = [sys.executable, "-m", "robust_activations", *LIVE]


def prepare(root: Path, environment: dict[str, str]) -> int:
    """Trains the live runs and executes the notebooks that are missing; not 0 if the runs could not be made."""
    paths = waiting(root)
    if any("collect(" in path.read_text() for path in paths):
        print(f"book: training the live runs that are missing, in processes: {CORES}", flush=True)
        if status := subprocess.run(TRAIN, cwd=root, env=environment, check=False).returncode:
            return status
    if paths:
        count = min(CORES, len(paths))
        print(f"book: executing notebooks: {len(paths)}, at once: {count}", flush=True)
        # More threads than cores slow every notebook down.
        shared = environment | {"OMP_NUM_THREADS": str(max(1, CORES // count))}
        # A process of its own: kernels take the environment of the one that starts them, and end when it does.
        subprocess.run([sys.executable, __file__, str(root), *map(str, paths)], env=shared, check=False)
    return 0


def waiting(root: Path) -> list[Path]:
    """The notebooks of the table of contents that the cache does not hold as they are now."""
    cache = get_cache(root / CACHE)
    paths = [root / f"{name}.ipynb" for name in parse_toc_yaml(root / "_toc.yml")]
    return [path for path in paths if path.exists() and not _holds(cache, path)]


def _holds(cache: JupyterCacheAbstract, path: Path) -> bool:
    try:
        cache.match_cache_notebook(nbformat.read(path, as_version=4))
    except KeyError:
        return False
    return True


def execute(root: Path, paths: list[Path]) -> None:
    """Executes the notebooks, as many at once as there are cores, and puts those that ran into the cache."""
    cache = get_cache(root / CACHE)
    config = yaml.safe_load((root / "_config.yml").read_text())
    timeout = config["execute"].get("timeout", 30)  # seconds a cell; 30 is Jupyter Book's own default

    def one(path: Path) -> ExecutionResult:
        notebook = nbformat.read(path, as_version=4)
        return single_nb_execution(notebook, cwd=str(path.parent), timeout=timeout, allow_errors=False)

    with ThreadPoolExecutor(CORES) as pool:  # a thread only waits for its kernel, which is another process
        jobs = {pool.submit(one, path): path for path in paths}
        for job in as_completed(jobs):
            path = jobs[job]
            name = path.relative_to(root).with_suffix("")
            if job.exception() or job.result().err:
                print(f"book: {name} failed; Jupyter Book will execute it again and say why", flush=True)
                continue
            result = job.result()
            bundle = CacheBundleIn(result.nb, str(path), data={"execution_seconds": result.time})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            print(f"book: {name} in {result.time:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        execute(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
    except KeyboardInterrupt:
        os._exit(130)  # at once: an ordinary exit would wait for the notebooks that are under way
