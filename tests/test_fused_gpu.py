"""The fused loops of a GPU against the plain formulas in float64.

On a machine with CUDA the tests run as they are. Elsewhere the same tests run in a process of their own, where Triton
interprets its programs on the CPU; and some are compiled for a GPU that is not there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

import loops
from loops import SHARP, gradients
from robust_activations.activations import REGISTRY, Activation, fused
from robust_activations.activations.fused import Kernel, Layout

triton = pytest.importorskip("triton", "3.4", reason="no Triton")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
on_device = (lambda test: test) if INTERPRETED else pytest.mark.gpu
outside = pytest.mark.skipif(INTERPRETED, reason="within the interpreter")


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """Lets the interpreter do what a GPU would."""
    if INTERPRETED:
        from robust_activations.activations.fused import gpu

        own = fused.backend
        monkeypatch.setattr(fused, "native", gpu)
        monkeypatch.setattr(gpu, "library", lambda: gpu, raising=False)
        assert own(torch.ones(1, dtype=torch.float16)) is gpu


@outside
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_interpreted():
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "ignore::RuntimeWarning", __file__],
        env=env | {"TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


@outside
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_gpu_that_cannot_be_used_is_named_once():
    fused._gpu.cache_clear()
    with pytest.warns(UserWarning, match="no fused activations, only the plain formulas: "):
        assert fused._gpu() is None
    assert fused._gpu() is None


# The same on every engine.

OPTIONS = {"splash": [{"S": S} for S in (1, 7, 15)], "apl": [{"S": 5}]}
CASES = [
    (name, channels, options)
    for name, entry in REGISTRY.items()
    if entry.cls.kernel or name in OPTIONS
    for channels in ((None, 3) if entry.shares else (None,))
    for options in OPTIONS.get(name, [{}])
]
FEW = [("gelu", None), ("pelu", None), ("pssilu", 3), ("splash", None), ("splash", 3), ("apl", 3)]


def make(name: str, channels: int | None = None, **options) -> Activation:
    return loops.make(name, channels, **options).to(DEVICE)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(shape, generator=generator, dtype=torch.float64)).to(DEVICE, dtype)


# By how much a number may be off: relative to itself, and to the largest of its tensor or, in a sum, its terms. A GPU's
# exponential and division are a little coarser than the interpreter's, whose bfloat16 is cut off, not rounded.
TOLERANCE = {
    torch.float64: (1e-13, 1e-13),
    torch.float32: (2e-6, 5e-6),
    torch.bfloat16: (2**-7 if INTERPRETED else 2**-8, 5e-6),
    torch.float16: (2**-10, 5e-6),
}


def agree(module: Activation, x: Tensor, weight: Tensor) -> None:
    """The loops give what the formula gives in float64, at the same x."""
    assert fused.backend(x).__name__.endswith("gpu")
    loops.agree(module, x, weight, *TOLERANCE[x.dtype])


# Half precision differs in loading and storing alone: a few will do.
TYPED = [(dtype, *case) for dtype in TOLERANCE for case in CASES if dtype.itemsize > 2 or case[:2] in FEW]


@on_device
@pytest.mark.parametrize(("dtype", "name", "channels", "options"), TYPED, ids=str)
def test_values_and_gradients_are_the_formulas(dtype, name, channels, options):
    module = make(name, channels, **options)
    if dtype == torch.float64:
        module.double()
    x, weight = normal(3, 3, 5, 7, dtype=dtype), normal(3, 3, 5, 7, seed=1, dtype=dtype)
    agree(module, x, weight)
    if channels:
        agree(module, x.to(memory_format=torch.channels_last), weight)


SHAPES = {  # of tiles: less than one, several in a row, several rows of them, and both ways of laying out channels
    "(1,)": lambda: normal(1),
    "(9001,)": lambda: normal(9001),
    "(2, 5)": lambda: normal(2, 5),
    "(70, 131)": lambda: normal(70, 131),
    "(3, 5, 7, 9)": lambda: normal(3, 5, 7, 9),
    "(2, 3, 1, 1)": lambda: normal(2, 3, 1, 1),
    "(2, 3, 66, 65)": lambda: normal(2, 3, 66, 65),
    "(600, 3, 4)": lambda: normal(600, 3, 4),
    "channels_last": lambda: normal(9, 3, 31, 33).to(memory_format=torch.channels_last),
    "sliced": lambda: normal(4, 6, 8, 5)[::2, 1::2, ::2],
}


SHAPED = [(*case, shape) for case in FEW for shape in SHAPES if not (case[1] and shape.endswith(",)"))]


@on_device
@pytest.mark.parametrize(("name", "channels", "shape"), SHAPED)
def test_shapes_and_layouts(name, channels, shape):
    x = SHAPES[shape]()
    module = make(name, channels and x.shape[1]).double()
    agree(module, x, normal(*x.shape, seed=1))
    if shape == "channels_last":
        agree(module, x, torch.ones_like(x[:1]).expand(x.shape))
        assert module(x).is_contiguous(memory_format=torch.channels_last)


@on_device
@pytest.mark.parametrize(("name", "channels", "options"), CASES, ids=str)
def test_extremes(name, channels, options):
    module = make(name, channels, **options)
    x = torch.tensor([-1e4, -90.0, 0.0, 90.0, 1e4], device=DEVICE).view(1, 1, 5, 1).repeat(3, 3, 1, 7)
    assert all(tensor.isfinite().all() for tensor in gradients(module, x, torch.ones_like(x)))
    x[:, :, 1::2] = torch.nan
    assert torch.equal(module(x).isnan(), x.isnan())


GRID = torch.cat([torch.linspace(-90, 90, 20_001), *(s * torch.logspace(-20, 0, 3001) for s in (1.0, -1.0))])


@on_device
@pytest.mark.parametrize("name", [name for name, entry in REGISTRY.items() if entry.cls.kernel])
def test_float32_is_exact_to_a_few_units_in_the_last_place(name):
    """Relative to 1 or, if larger, the number itself; where nothing cancels, relative to the number itself, but for
    an exponential of a large argument.
    """
    module, x = make(name), GRID.to(DEVICE)
    value, slope = gradients(module, x, torch.ones_like(x))[:2]
    with fused.plain():
        exact_value, exact_slope = gradients(module.double(), x.double(), torch.ones_like(x).double())[:2]
    torch.testing.assert_close(value.double(), exact_value, rtol=2e-6, atol=2e-6)
    torch.testing.assert_close(slope.double(), exact_slope, rtol=8e-6, atol=8e-6)
    if name in SHARP:
        near = x.abs() < 10
        torch.testing.assert_close(value.double()[near], exact_value[near], rtol=3e-6, atol=1e-30)


@on_device
def test_frozen_parameters_get_no_gradient_and_none_is_computed():
    from robust_activations.activations.fused import gpu

    x, weight, theta = normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1), normal(2, 3).abs() / 10
    layout = Layout.of(x, theta)
    with_sums, sums = gpu.backward(Kernel("pssilu", None), x, weight, theta, layout, True)
    without, none = gpu.backward(Kernel("pssilu", None), x, weight, theta, layout, False)
    assert none is None
    assert sums.shape == (2, 3)
    assert torch.equal(with_sums, without)


@on_device
def test_gradients_that_are_nothing_are_zeros():
    from robust_activations.activations.fused import gpu

    x, weight, theta = normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1), normal(8, 3)
    for kernel, learned in ((Kernel("celu", None), 0), (Kernel("hinges", None, (1.0, 1.0, -1.0, -1.0), False), 4)):
        own = theta[:1].abs() if learned == 0 else theta
        _, sums = gpu.backward(kernel, x, weight, own.contiguous(), Layout.of(x, own), True)
        assert sums.shape == own.shape
        assert sums[:learned].ne(0).all()
        assert sums[learned:].eq(0).all()


@on_device
@pytest.mark.parametrize(("name", "channels"), FEW)
def test_the_same_numbers_every_time(name, channels):
    module = make(name, channels)
    x, weight = normal(4, 3, 33, 31, dtype=torch.float32), normal(4, 3, 33, 31, seed=1, dtype=torch.float32)
    first, second = (gradients(module, x, weight) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# On a GPU alone.


@pytest.mark.gpu
@outside
@pytest.mark.parametrize(("name", "channels"), FEW)
def test_inside_a_cuda_graph(name, channels):
    module, x = make(name, channels), normal(4, 3, 16, 16, dtype=torch.bfloat16)
    weight = normal(4, 3, 16, 16, seed=1, dtype=torch.bfloat16)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        gradients(module, x, weight)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = gradients(module, x, weight)
    x.copy_(normal(4, 3, 16, 16, seed=2))
    graph.replay()
    assert all(torch.equal(a, b) for a, b in zip(found, gradients(module, x, weight), strict=True))


@pytest.mark.gpu
@outside
def test_more_elements_than_fit_into_32_bits():
    if torch.cuda.get_device_properties(0).total_memory < 24 * 2**30:
        pytest.skip("wants 24 GiB of memory")
    module = make("pelu", 3)
    for shape in ((2**31 // 3 // 1024 + 1, 3, 1024), (2**31 // 3 + 1, 3), (1, 3, 2**31 // 3 + 5)):
        x = torch.full(shape, -2.0, dtype=torch.bfloat16, device=DEVICE)
        one = torch.full((1, 3), -2.0, dtype=torch.bfloat16, device=DEVICE)
        for few, many in zip(gradients(module, one, one), gradients(module, x, x), strict=True):
            if many.shape == x.shape:
                assert (many == few.view(1, 3, *(1,) * (x.dim() - 2))).all()
            else:
                torch.testing.assert_close(many, few * (x.numel() / 3), rtol=1e-4, atol=0.0)
        del x, few, many


# For a GPU that is not there.


class Driver:
    """Compiles for an H100 or H200, and launches nothing."""

    def __init__(self) -> None:
        self.kernels: list = []
        self.utils = self
        self.launcher_cls = lambda source, metadata: lambda *arguments: None

    def get_current_target(self):
        return triton.backends.compiler.GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> str:
        return "none"  # real ones have numbers: what is compiled here is kept apart

    def get_current_stream(self, device) -> int:
        return 0

    def get_device_properties(self, device) -> dict[str, int]:
        return {"max_shared_mem": 232_448}

    def load_binary(self, name, binary, shared, device):
        self.kernels.append(binary)
        return 1, 1, 0, 0, 1024


@pytest.fixture
def driver(monkeypatch, tmp_path):
    active = Driver()
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))
    monkeypatch.setattr(triton.runtime.driver, "_active" if triton.__version__ >= "3.5" else "active", active)
    return active


KERNELS = [Kernel("gelu", None), Kernel("smooth_relu", None), Kernel("pssilu", None)]
KERNELS += [Kernel("hinges", None, (1.0,) * n + (-1.0,) * n) for n in (1, 8)]


@outside
@pytest.mark.skipif(sys.platform != "linux", reason="Triton's assembler is for Linux")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: f"{kernel.name} {len(kernel.signs or ())}")
def test_compiles_for_a_gpu(kernel, dtype, driver, tmp_path):
    from robust_activations.activations.fused import gpu

    count = gpu._FUNCTIONS[kernel.name].parameters if kernel.signs is None else 2 * len(kernel.signs)
    theta = torch.empty(count, 64, dtype=gpu.DTYPES[dtype])
    x = torch.empty(2, 64, 32, 32, dtype=dtype)
    for layout in (Layout(128, 1024, 64, False), Layout(2048, 64, 64, True)):
        gpu.forward(kernel, x, theta, layout)
        gpu.backward(kernel, x, x, theta, layout, False)
        if count:
            gpu.backward(kernel, x, x, theta, layout, True)
    assert len(driver.kernels) == (6 if count else 4)
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    if dtype != torch.float64 and tool.exists():  # float64 may spill registers: it is for tests
        for number, binary in enumerate(driver.kernels):
            (tmp_path / f"{number}.cubin").write_bytes(binary)
            command = [tool, "--dump-resource-usage", tmp_path / f"{number}.cubin"]
            usage = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            assert "STACK:0 " in usage
            assert "LOCAL:0 " in usage
            assert int(usage.split("REG:")[1].split()[0]) <= 128
