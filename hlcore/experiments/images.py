"""A hundred real MNIST digits, for a small ResNet and a small vision transformer (P, App. E)."""

import torch
from torch import Tensor, nn

from ..streams import mnist
from .experiment import Setup
from .paper import SLOW, classifier
from .registry import register


class Residual(nn.Module):
    """A residual block: two 3×3 convolutions beside a short cut, halving the image where `stride` is 2."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.long = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        same = stride == 1 and inputs == outputs
        self.short = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """ReLU(long(x) + short(x))."""
        return torch.relu(self.long(x) + self.short(x))


class Patches(nn.Module):
    """An image as 16 tokens of 7×7 pixels behind a class token, with learned places: (batch, 17, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cut = nn.Conv2d(1, width, 7, 7)
        self.first = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.place = nn.Parameter(torch.randn(1, 17, width) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.cut(x).flatten(2).transpose(1, 2)
        return torch.cat([self.first.expand(len(x), -1, -1), tokens], 1) + self.place


class ClassToken(nn.Module):
    """The first token."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


def resnet(channels: int = 8) -> nn.Sequential:
    """Stem and four residual blocks: (batch, 1, 28, 28) -> (batch, 98·channels)."""
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, 2, 1), nn.ReLU(),
        Residual(channels, channels), Residual(channels, channels),
        Residual(channels, 2 * channels, 2), Residual(2 * channels, 2 * channels),
        nn.Flatten(),
    )  # fmt: skip


def vit(width: int = 30) -> nn.Sequential:
    """One encoder layer with one head, normalised before each part and at the end, as a ViT is: -> (batch, width)."""
    layer = nn.TransformerEncoderLayer(width, 1, width, dropout=0.0, batch_first=True, norm_first=True)
    return nn.Sequential(Patches(width), layer, ClassToken(), nn.LayerNorm(width))


@register("mnist-resnet", "MNIST · small ResNet", SLOW)
def mnist_resnet(seed: int, batch: int = 1, per_class: int = 10, form: str = "output") -> Setup:
    """Four residual blocks learn a hundred real digits; convolutions and batch norms move as under SGD."""
    return classifier(mnist(per_class, seed, batch), resnet(), nn.Linear(8 * 98, 10), form)


@register("mnist-vit", "MNIST · small vision transformer", SLOW)
def mnist_vit(seed: int, batch: int = 1, per_class: int = 10, form: str = "output") -> Setup:
    """One layer of attention learns a hundred real digits; its weights move as under SGD."""
    return classifier(mnist(per_class, seed, batch), vit(), nn.Linear(30, 10), form)
