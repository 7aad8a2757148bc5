"""Training digits with random phases."""

from dataclasses import dataclass

import numpy as np

from subliminal.distill.inputs import AlteredDigits
from subliminal.tensors.images import square

WHERE = "distill/inputs=spectrum"


@dataclass(frozen=True, kw_only=True)
class Spectrum(AlteredDigits):
    """Each image has the power spectrum of a training digit, and the phases of white noise.

    |F(x)| = |F(digit)| in two dimensions, F the discrete Fourier transform; the mean is kept. So it
    has the digit's smoothness and contrast, and nothing of its shape. Each of three colours has
    phases of its own. Source: phase scrambling, e.g. Oppenheim & Lim 1981 (Proc. IEEE 69(5)) on
    what phases carry.
    """

    def fits(self, pixels: int) -> None:
        square(pixels, WHERE)

    def altered(self, images: np.ndarray, *, generator: np.random.Generator) -> np.ndarray:
        _, side = square(images.shape[1], WHERE)
        maps = images.reshape(-1, side, side)
        digits = np.fft.rfft2(maps)
        noise = np.fft.rfft2(generator.standard_normal(maps.shape, dtype=np.float32))
        scrambled = np.abs(digits) * np.exp(1j * np.angle(noise))
        scrambled[:, 0, 0] = digits[:, 0, 0]
        made = np.fft.irfft2(scrambled, s=(side, side))
        return made.reshape(images.shape).astype(np.float32)
