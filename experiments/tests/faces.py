"""Small data sets of photographs in the official layouts, written by the tests."""

import io
import tarfile
import zipfile

import numpy as np

PEOPLE_PER_FOLD, IMAGES_PER_PERSON, PAIRS = 3, 3, 2


def picture(size, seed, form="PNG"):
    """Pixels (H, W, 3), and their file; PNG keeps them exactly."""
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form)
    return pixels, out.getvalue()


def person(fold, n):
    return f"Fold{fold}_Person{n}"


def lfw_images(form="PNG"):
    """Per name below the top folder: pixels and file."""
    names = [
        f"{person(fold, n)}/{person(fold, n)}_{k:04d}.jpg"
        for fold in range(10)
        for n in range(PEOPLE_PER_FOLD)
        for k in range(1, IMAGES_PER_PERSON + 1)
    ]
    return {name: picture((250, 250), seed, form) for seed, name in enumerate(names)}


def lfw_pairs():
    """Two pairs of one person per fold, (0: 1 2), (1: 1 3), and two of two, (0: 1, 1: 1), (1: 3, 2: 1)."""
    lines = [f"10\t{PAIRS}"]
    for fold in range(10):
        a, b, c = (person(fold, n) for n in range(3))
        lines += [f"{a}\t1\t2", f"{b}\t1\t3", f"{a}\t1\t{b}\t1", f"{b}\t3\t{c}\t1"]
    return "\n".join(lines) + "\n"


def write_lfw(root, images, kind):
    """As ``folder``, ``tar`` or ``tgz``, in the order given."""
    (root / "lfw").mkdir(exist_ok=True)
    (root / "lfw" / "pairs.txt").write_text(lfw_pairs())
    if kind == "folder":
        for name, (_, content) in images.items():
            path = root / "lfw" / "lfw_funneled" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return root / "lfw" / "lfw_funneled"
    path = root / "lfw" / f"lfw-funneled.{kind}"
    with tarfile.open(path, "w:gz" if kind == "tgz" else "w") as tar:
        for name, (_, content) in images.items():
            member = tarfile.TarInfo(f"lfw_funneled/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_celeba(root, n, kind, size=(218, 178)):
    """n pictures, of which every third is for training, validation, testing; returns pixels (n, H, W, 3)."""
    folder = root / "celeba"
    folder.mkdir(exist_ok=True)
    made = [picture(size, seed) for seed in range(n)]
    names = [f"{k:06d}.jpg" for k in range(1, n + 1)]
    if kind == "zip":
        with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as out:
            for name, (_, content) in zip(names, made, strict=True):
                out.writestr(f"img_align_celeba/{name}", content)
    else:
        (folder / "img_align_celeba").mkdir()
        for name, (_, content) in zip(names, made, strict=True):
            (folder / "img_align_celeba" / name).write_bytes(content)
    signs = celeba_attributes(n) * 2 - 1
    lines = [str(n), " ".join(f"Attribute_{k}" for k in range(40)) + " "]
    lines += [f"{name} " + " ".join(f"{s:2d}" for s in row) for name, row in zip(names, signs, strict=True)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    (folder / "list_eval_partition.txt").write_text("".join(f"{name} {k % 3}\n" for k, name in enumerate(names)))
    return np.stack([pixels for pixels, _ in made])


def celeba_attributes(n):
    return np.random.default_rng(40).integers(0, 2, (n, 40))
