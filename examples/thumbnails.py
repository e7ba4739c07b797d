"""Make thumbnails of a folder of images, and a sheet of all of them, sorted by brightness: python examples/thumbnails.py [FOLDER]"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageStat

from clustrix import cluster

SIDE = 96


@cluster
def thumbnail(image: bytes) -> tuple[float, bytes]:
    """Its brightness, and the small image.  Bytes come and go, so a job needs no file that is here."""
    with Image.open(io.BytesIO(image)) as opened:
        brightness = ImageStat.Stat(opened.convert("L")).mean[0]
        opened.thumbnail((SIDE, SIDE))
        small = io.BytesIO()
        opened.convert("RGB").save(small, "PNG")
    return brightness, small.getvalue()


def draw(folder: Path) -> None:
    """Twelve moons, from new to full, and a file that is no image."""
    for number in range(12):
        image = Image.new("RGB", (640, 480), (10, 10, 40))
        pen = ImageDraw.Draw(image)
        pen.ellipse((170, 90, 470, 390), fill=(240, 230, 200))
        pen.ellipse((170 + 28 * number, 90, 470 + 28 * number, 390), fill=(10, 10, 40))
        image.save(folder / f"moon-{(number * 5) % 12:02}.png")
    (folder / "notes.png").write_text("no image")


def main(folder: Path) -> None:
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg"))
    jobs = thumbnail.map(path.read_bytes() for path in paths)
    made = {}
    for item in jobs.as_completed():
        if item.error is None:
            made[paths[item.index].name] = item.result()
        else:
            print(f"{paths[item.index].name}: {type(item.error).__name__}")

    sheet = Image.new("RGB", (SIDE * 4, SIDE * -(-len(made) // 4)))
    for place, (name, (brightness, small)) in enumerate(sorted(made.items(), key=lambda it: it[1][0])):
        print(f"{name}  brightness {brightness:5.1f}")
        sheet.paste(Image.open(io.BytesIO(small)), (place % 4 * SIDE, place // 4 * SIDE))
    sheet.save("thumbnails.png")
    print(f"thumbnails.png: {len(made)} images, {sheet.width} x {sheet.height}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as drawn:
        if len(sys.argv) == 1:
            draw(Path(drawn))
        main(Path(sys.argv[1] if len(sys.argv) > 1 else drawn))
