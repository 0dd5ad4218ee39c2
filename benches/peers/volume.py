"""Our speed beside nibabel's, SciPy's and SimpleITK's; README.md says what the columns mean.

Started by run.sh. Every job is done by all sides in turn (A B C A B C ...), once to warm up and then
`--rounds` times; the fastest round of each side counts. Each side's result is compared with ours, so
that "the same work" is checked and not claimed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--ours", required=True, help="the built example peer_volume")
parser.add_argument("--scan", help="a NIfTI file instead of the synthetic head")
parser.add_argument("--rounds", type=int, default=9)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()

# Before the libraries are loaded: some read these once.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ[name] = str(options.threads)
os.environ["RAYON_NUM_THREADS"] = str(options.threads)

import nibabel as nib
import numpy as np
import scipy
import scipy.ndimage as ndi
import SimpleITK as sitk

sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(options.threads)


class Ours:
    """The Rust process, kept alive so that it is as warm as this one."""

    def __init__(self, binary, scan):
        self.process = subprocess.Popen(
            [binary, "serve", scan], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"our side failed at {command!r}")
        return answer

    def time(self, job):
        before = self.processor_seconds()
        seconds = float(self.ask(f"time {job}"))
        return seconds, self.processor_seconds() - before

    def processor_seconds(self):
        """Of all threads, those that have ended too: Linux's clock of another process."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def result(self, job, folder, shape):
        path = folder / "ours.raw"
        self.ask(f"keep {job} {path}")
        return np.fromfile(path, "<f4").reshape(shape, order="F")


def timed(work):
    """A peer's job: the seconds it takes, on the clock and of the processors."""
    def measure():
        start, processor_start = time.perf_counter(), time.process_time()
        result = work()
        seconds = time.perf_counter() - start, time.process_time() - processor_start
        del result
        return seconds

    return measure


def ratios(sides, rounds):
    """Each peer's time over ours, on the clock and of the processors.

    Of several rounds, in which the sides take turns, the least of each side counts.
    """
    taken = {name: [] for name in sides}
    for round_number in range(rounds + 1):
        for name, measure in sides.items():
            seconds = measure()
            if round_number > 0:
                taken[name].append(seconds)
    least = {name: np.min(seconds, axis=0) for name, seconds in taken.items()}
    return {name: seconds / least["ours"] for name, seconds in least.items()}


def itk_array(image):
    return sitk.GetArrayFromImage(image).transpose(2, 1, 0)  # a view would outlive the image


class Report:
    header = ("job", "peer", "peer / ours", "goal", "", "processors", "difference", "remarks")

    def __init__(self):
        self.rows = []

    def add(self, job, peer, ratios, goal, difference, remark=""):
        ratio, processor_ratio = ratios
        verdict = "" if goal is None else ("met" if ratio >= goal else "MISSED")
        self.rows.append((
            job, peer, f"{ratio:.2f}", "" if goal is None else f"{goal:.1f}", verdict,
            f"{processor_ratio:.2f}", f"{difference:.1e}", remark,
        ))

    def show(self):
        table = [self.header] + self.rows
        widths = [max(len(row[i]) for row in table) for i in range(len(self.header))]
        for row in table:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def largest_difference(ours, theirs):
    """Of the range of the peer's result."""
    theirs = np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        sys.exit(f"the shapes differ: ours {ours.shape}, theirs {theirs.shape}")
    return float(np.abs(ours - theirs).max() / (theirs.max() - theirs.min()))


def loading(report, ours, scan, folder, shape):
    peers = {
        "nibabel get_fdata": lambda: nib.load(scan).get_fdata(dtype=np.float32, caching="unchanged"),
        "nibabel dataobj": lambda: np.asarray(nib.load(scan).dataobj, dtype=np.float32),
        "SimpleITK": lambda: sitk.ReadImage(scan, sitk.sitkFloat32),
    }
    sides = {"ours": lambda: ours.time("load")} | {n: timed(work) for n, work in peers.items()}
    faster = ratios(sides, options.rounds)
    loaded = ours.result("load", folder, shape)
    for name, work in peers.items():
        result = work()
        result = itk_array(result) if name == "SimpleITK" else result
        difference = largest_difference(loaded, result.reshape(shape))
        goal = 1.0 if name == "SimpleITK" else 2.0
        report.add("load .nii.gz to f32", name, faster[name], goal, difference)
    return loaded


def resampling(report, ours, loaded, affine, folder):
    numbers = [float(v) for v in ours.ask("grid").split()]
    shape, target = tuple(int(n) for n in numbers[:3]), np.array(numbers[3:]).reshape(4, 4)
    index = np.linalg.inv(affine) @ target
    step, start = np.diag(index)[:3].copy(), index[:3, 3]
    assert np.allclose(index[:3, :3], np.diag(step)), "the axes of the two grids run alike"

    image = sitk.GetImageFromArray(loaded.transpose(2, 1, 0))  # in voxels: a unit grid
    voxels = np.asarray(loaded)

    def itk(interpolator):
        # The same grid, in voxels of the scan.
        return sitk.Resample(
            image, [int(n) for n in shape], sitk.Transform(), interpolator,
            [float(v) for v in start], [float(v) for v in step],
            image.GetDirection(), 0.0, sitk.sitkFloat32,
        )

    def by_scipy(order, mode):
        # A diagonal matrix as a vector takes SciPy's fast path for separable grids (as zoom does).
        return ndi.affine_transform(
            voxels, step, start, output_shape=shape, output=np.float32, order=order, mode=mode
        )

    jobs = {
        "linear": (lambda: by_scipy(1, "nearest"), lambda: itk(sitk.sitkLinear), 10.0, 1.0),
        "cubic": (lambda: by_scipy(3, "mirror"), lambda: itk(sitk.sitkBSpline), 5.0, 5.0),
    }
    for job, (scipy_work, itk_work, scipy_goal, itk_goal) in jobs.items():
        sides = {"ours": lambda: ours.time(job), "SciPy": timed(scipy_work), "SimpleITK": timed(itk_work)}
        faster = ratios(sides, options.rounds)
        result = ours.result(job, folder, shape)
        label = f"resample to 1.5 mm, {job}"
        report.add(label, "SciPy", faster["SciPy"], scipy_goal,
                   largest_difference(result, scipy_work()), "SciPy has one thread")
        report.add(label, "SimpleITK", faster["SimpleITK"], itk_goal,
                   largest_difference(result, itk_array(itk_work())))


def writing(report, ours, scan, folder):
    source = nib.load(scan)
    stored = np.asarray(source.dataobj.get_unscaled())
    image = nib.Nifti1Image(stored, source.affine, dtype=stored.dtype)
    itk = sitk.GetImageFromArray(stored.T)
    paths = {name: folder / f"{name}.nii.gz" for name in ("ours", "nibabel", "SimpleITK")}
    sides = {
        "ours": lambda: ours.time(f"write {paths['ours']}"),
        "nibabel": timed(lambda: nib.save(image, paths["nibabel"])),
        "SimpleITK": timed(lambda: sitk.WriteImage(itk, str(paths["SimpleITK"]), True, 1)),
    }
    faster = ratios(sides, options.rounds)
    sizes = {name: path.stat().st_size for name, path in paths.items()}
    ours_back = np.asarray(nib.load(paths["ours"]).dataobj)
    for name, goal in (("nibabel", 2.0), ("SimpleITK", None)):
        theirs_back = np.asarray(nib.load(paths[name]).dataobj)
        size = sizes["ours"] / sizes[name]
        remark = f"our file is {size:.3f} of its size"
        if goal is not None:
            remark += " (goal 0.95 to 1.05: " + ("met)" if size <= 1.05 else "MISSED)")
        report.add("write .nii.gz", name, faster[name], goal,
                   largest_difference(ours_back.astype(np.float64), theirs_back), remark)


def memory(scan):
    answer = subprocess.run([options.ours, "memory", scan], check=True, capture_output=True, text=True)
    grown, volume = map(int, answer.stdout.split())
    verdict = "met" if grown <= 2 * volume else "MISSED"
    print(f"\nPeak memory of our load: {grown / volume:.2f} times the f32 volume (goal at most 2: {verdict})")


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if options.scan is None:
            scan = str(folder / "head.nii.gz")
            subprocess.run([options.ours, "synthetic", str(folder / "made.nii.gz")], check=True)
            # Written again by nibabel, so that nobody reads a file of our own make.
            nib.save(nib.load(folder / "made.nii.gz"), scan)
        else:
            scan = options.scan
        source = nib.load(scan)
        shape = source.shape[:3]
        print(f"{'the synthetic head' if options.scan is None else Path(scan).name}: {shape}, "
              f"{source.get_data_dtype()}, compressed to {os.path.getsize(scan) / source.dataobj.get_unscaled().nbytes:.2f} "
              f"of its size; {options.threads} threads, best of {options.rounds} rounds in turn")
        print(f"numpy {np.__version__}, nibabel {nib.__version__}, SciPy {scipy.__version__}, "
              f"SimpleITK {sitk.Version.VersionString()}\n")
        report, ours = Report(), Ours(options.ours, scan)
        loaded = loading(report, ours, scan, folder, shape)
        resampling(report, ours, loaded, source.affine, folder)
        writing(report, ours, scan, folder)
        report.show()
        memory(scan)


if __name__ == "__main__":
    main()
