"""How a flat row of pixels is an image: grey, or red, green and blue one after another."""

from math import isqrt

from subliminal.errors import UserError

RGB = 3


def channels(pixels: int) -> int:
    """Return 3 where so many pixels are a square in three colours, which no square is, else 1."""
    return RGB if pixels % RGB == 0 and isqrt(pixels // RGB) ** 2 * RGB == pixels else 1


def square(pixels: int, where: str) -> tuple[int, int]:
    """Return the channels and the side of images of so many pixels, all channels counted.

    Raises:
        UserError: the images are not square; `where` is the config node to blame.
    """
    colours = channels(pixels)
    side = isqrt(pixels // colours)
    if colours * side * side != pixels:
        raise UserError(f"{where}: square images are needed, these have {pixels} pixels")
    return colours, side
