"""Published architectures that look at images, small, drawn as published."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, he, through


def conv(a, b, size=3, stride=1, groups=1, act=nn.ReLU):
    """A convolution without bias, BatchNorm and an activation."""
    parts = [nn.Conv2d(a, b, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(b)]
    return nn.Sequential(*parts, *([act()] if act else []))


def pictures(model, channels=3, size=32, count=8, of=10):
    return model, torch.randn(count, channels, size, size), classes(count, of), F.cross_entropy


def head(width, of=10):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, of))


def lenet():
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
                         nn.AvgPool2d(2), nn.Flatten(), through(400, 120, 84, 10, act=nn.Tanh))  # fmt: skip


def alexnet():
    return nn.Sequential(
        nn.Conv2d(3, 24, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(24, 48, 5, padding=2), nn.ReLU(),
        nn.Conv2d(48, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Flatten(), nn.Dropout(), nn.Linear(432, 128), nn.ReLU(), nn.Dropout(), nn.Linear(128, 10),
    )  # fmt: skip


def vgg():
    parts, a = [], 3
    for b, times in ((16, 2), (32, 2), (64, 3), (64, 3)):
        for _ in range(times):
            parts, a = [*parts, conv(a, b)], b
        parts.append(nn.MaxPool2d(2))
    return he(nn.Sequential(*parts, nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 10)))


def residual(a, b, stride=1, *, bottleneck=False, act=nn.ReLU):
    body = [conv(a, b // 4, 1), conv(b // 4, b // 4, 3, stride), conv(b // 4, b, 1, act=None)] if bottleneck else [
        conv(a, b, 3, stride), conv(b, b, act=None)]  # fmt: skip
    nn.init.zeros_(body[-1][1].weight)
    short = conv(a, b, 1, stride, act=None) if a != b or stride > 1 else nn.Identity()
    return Runs(lambda s, x: F.relu(s.body(x) + s.short(x)), body=nn.Sequential(*body), short=short)


def resnet(bottleneck):
    parts, a = [conv(3, 16)], 16
    for b, stride in ((32, 1), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        parts, a = [*parts, residual(a, b, stride, bottleneck=bottleneck)], b
    return he(nn.Sequential(*parts, head(128)))


def wide(a, b, stride=1):
    first, body = nn.Sequential(nn.BatchNorm2d(a), nn.ReLU()), nn.Sequential(
        nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.Dropout(0.3),
        nn.Conv2d(b, b, 3, padding=1, bias=False))  # fmt: skip
    short = nn.Conv2d(a, b, 1, stride, bias=False) if a != b else nn.Identity()

    def run(s, x):
        h = s.first(x)
        return s.body(h) + s.short(h if a != b else x)

    return Runs(run, first=first, body=body, short=short)


def wide_resnet():
    blocks = [wide(16, 64), wide(64, 64), wide(64, 96, 2), wide(96, 96), wide(96, 128, 2), wide(128, 128)]
    return he(nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), *blocks, nn.BatchNorm2d(128), nn.ReLU(), head(128)))


def dense(a, growth, layers):
    def layer(width):
        return nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 4 * growth, 1, bias=False),
                             nn.BatchNorm2d(4 * growth), nn.ReLU(),
                             nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False))  # fmt: skip

    def run(s, x):
        for one in s.layers:
            x = torch.cat((x, one(x)), 1)
        return x

    return Runs(run, layers=nn.ModuleList(layer(a + i * growth) for i in range(layers)))


def densenet():
    down = nn.Sequential(nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 32, 1, bias=False), nn.AvgPool2d(2))
    last = nn.Sequential(nn.BatchNorm2d(80), nn.ReLU(), head(80))
    return he(nn.Sequential(conv(3, 16), dense(16, 8, 6), down, dense(32, 8, 6), last))


def inception_block(a):
    ways = nn.ModuleList((conv(a, 16, 1), nn.Sequential(conv(a, 12, 1), conv(12, 24)),
                          nn.Sequential(conv(a, 4, 1), conv(4, 8, 5)),
                          nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(a, 8, 1))))  # fmt: skip
    return Runs(lambda s, x: torch.cat([way(x) for way in s.ways], 1), ways=ways)


def inception():
    """With the auxiliary classifier in the loss, as in training."""
    first = nn.Sequential(conv(3, 16), inception_block(16), inception_block(56))
    second = nn.Sequential(nn.MaxPool2d(2), inception_block(56), inception_block(56))

    def run(s, x):
        h = s.first(x)
        return s.out(s.second(h)), s.aux(h)

    model = Runs(run, first=first, second=second, aux=head(56), out=head(56))
    return *pictures(model)[:3], lambda o, t: F.cross_entropy(o[0], t) + 0.3 * F.cross_entropy(o[1], t)


def fire(a, s, e):
    return Runs(lambda m, x: torch.cat((F.relu(m.one(h := F.relu(m.squeeze(x)))), F.relu(m.three(h))), 1),
                squeeze=nn.Conv2d(a, s, 1), one=nn.Conv2d(s, e, 1), three=nn.Conv2d(s, e, 3, padding=1))  # fmt: skip


def squeezenet():
    last = nn.Conv2d(128, 10, 1)
    model = he(nn.Sequential(nn.Conv2d(3, 32, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2), fire(32, 8, 32), fire(64, 8, 32),
                             fire(64, 16, 64), nn.Dropout(), last, nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                             nn.Flatten()))  # fmt: skip
    nn.init.normal_(last.weight, std=0.01)
    return model


def inverted(a, b, stride, expand, act=nn.ReLU6, squeeze=False):
    width = a * expand
    gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, max(2, a // 4), 1), nn.SiLU(),
                         nn.Conv2d(max(2, a // 4), width, 1), nn.Sigmoid()) if squeeze else None  # fmt: skip
    up, deep = conv(a, width, 1, act=act), conv(width, width, 3, stride, width, act=act)

    def run(s, x):
        h = s.deep(s.up(x))
        h = s.down(h * s.gate(h) if s.gate is not None else h)
        return x + h if a == b and stride == 1 else h

    return Runs(run, up=up, deep=deep, down=conv(width, b, 1, act=None), gate=gate)


def mobile(act=nn.ReLU6, squeeze=False):
    parts, a = [conv(3, 16, stride=2, act=act)], 16
    for b, stride in ((16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (48, 1), (48, 1)):
        parts, a = [*parts, inverted(a, b, stride, 4, act, squeeze)], b
    return he(nn.Sequential(*parts, conv(48, 96, 1, act=act), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2),
                            nn.Linear(96, 10)))  # fmt: skip


class Channels(nn.LayerNorm):
    """Over the channels of an image."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def next_block(d):
    def run(s, x):
        h = s.norm(s.deep(x)).movedim(1, -1)
        return x + (s.gamma * s.down(F.gelu(s.up(h)))).movedim(-1, 1)

    return Runs(run, deep=nn.Conv2d(d, d, 7, padding=3, groups=d), norm=Channels(d), up=nn.Linear(d, 4 * d),
                down=nn.Linear(4 * d, d), gamma=nn.Parameter(torch.full((d,), 1e-6)))  # fmt: skip


def convnext():
    model = nn.Sequential(nn.Conv2d(3, 24, 4, 4), Channels(24), *[next_block(24) for _ in range(3)], Channels(24),
                          nn.Conv2d(24, 48, 2, 2), *[next_block(48) for _ in range(3)], nn.AdaptiveAvgPool2d(1),
                          nn.Flatten(), nn.LayerNorm(48), nn.Linear(48, 10))  # fmt: skip
    for one in model.modules():
        if isinstance(one, (nn.Linear, nn.Conv2d)):
            nn.init.trunc_normal_(one.weight, std=0.02)
            nn.init.zeros_(one.bias)
    return model


def double(a, b):
    return nn.Sequential(conv(a, b), conv(b, b))


def unet():
    def run(s, x):
        a = s.a(x)
        b = s.b(F.max_pool2d(a, 2))
        c = s.c(F.max_pool2d(b, 2))
        b = s.d(torch.cat((b, s.up(c)), 1))
        return s.out(s.e(torch.cat((a, s.last(b)), 1)))

    model = Runs(run, a=double(3, 12), b=double(12, 24), c=double(24, 48), up=nn.ConvTranspose2d(48, 24, 2, 2),
                 d=double(48, 24), last=nn.ConvTranspose2d(24, 12, 2, 2), e=double(24, 12),
                 out=nn.Conv2d(12, 4, 1))  # fmt: skip
    return model, torch.randn(4, 3, 32, 32), torch.randint(0, 4, (4, 32, 32)), F.cross_entropy


def pyramid():
    """A pyramid of three levels with a head for classes and one for boxes, shared by the levels."""

    def run(s, x):
        a = s.a(x)
        b = s.b(a)
        c = s.lc(s.c(b))
        b = s.lb(b) + F.interpolate(c, scale_factor=2)
        a = s.la(a) + F.interpolate(b, scale_factor=2)
        return [(s.classes(one), s.boxes(one)) for one in (a, b, c)]

    def loss(levels, targets):
        return sum(F.binary_cross_entropy_with_logits(k, torch.zeros_like(k)) + F.smooth_l1_loss(b, targets.expand_as(b))
                   for k, b in levels)  # fmt: skip

    def over(b):
        return nn.Sequential(nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, b, 3, padding=1))

    model = Runs(run, a=conv(3, 16, stride=2), b=conv(16, 32, stride=2), c=conv(32, 48, stride=2),
                 la=nn.Conv2d(16, 24, 1), lb=nn.Conv2d(32, 24, 1), lc=nn.Conv2d(48, 24, 1), classes=over(5),
                 boxes=over(4))  # fmt: skip
    nn.init.constant_(model.classes[2].bias, -4.595)  # the prior of focal loss
    return model, torch.randn(4, 3, 32, 32), torch.randn(4, 4, 1, 1), loss


def autoencoder():
    x = torch.rand(16, 196)
    model = nn.Sequential(through(196, 64, 16), nn.ReLU(), through(16, 64, 196), nn.Sigmoid())
    return model, x, x, F.mse_loss


def vae():
    """The model gives its own loss."""

    def run(s, x):
        mean, log = s.encoder(x).chunk(2, -1)
        y = s.decoder(mean + torch.randn_like(mean) * (log / 2).exp())
        divergence = -0.5 * (1 + log - mean**2 - log.exp()).sum(-1).mean()
        return F.binary_cross_entropy_with_logits(y, x, reduction="sum") / len(x) + divergence

    return Runs(run, encoder=through(64, 48, 16), decoder=through(8, 48, 64)), torch.rand(16, 64), None, lambda o, t: o


def gan_init(model):
    for one in model.modules():
        if isinstance(one, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(one.weight, 0, 0.02)
        elif isinstance(one, nn.BatchNorm2d):
            nn.init.normal_(one.weight, 1, 0.02)
    return model


def discriminator_net(wrap=lambda m: m, norm=True):
    def layer(a, b):
        return [wrap(nn.Conv2d(a, b, 4, 2, 1, bias=not norm)), *([nn.BatchNorm2d(b)] if norm else []),
                nn.LeakyReLU(0.2)]  # fmt: skip

    return nn.Sequential(wrap(nn.Conv2d(3, 16, 4, 2, 1)), nn.LeakyReLU(0.2), *layer(16, 32), *layer(32, 64),
                         wrap(nn.Conv2d(64, 1, 4)), nn.Flatten())  # fmt: skip


def discriminator():
    return (
        gan_init(discriminator_net()),
        torch.randn(8, 3, 32, 32),
        torch.ones(8, 1),
        F.binary_cross_entropy_with_logits,
    )


def generator():
    def layer(a, b):
        return [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]

    model = nn.Sequential(nn.ConvTranspose2d(16, 64, 4, 1, 0, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
                          *layer(64, 32), *layer(32, 16), nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh())  # fmt: skip
    judge = gan_init(discriminator_net()).requires_grad_(False)
    return gan_init(model), torch.randn(8, 16, 1, 1), torch.ones(8, 1), lambda o, t: (
        F.binary_cross_entropy_with_logits(judge(o), t))  # fmt: skip


def spectral():
    model = discriminator_net(nn.utils.parametrizations.spectral_norm, norm=False)
    return model, torch.randn(8, 3, 32, 32), None, lambda o, t: F.relu(1 - o).mean()


def weight_normed():
    wrap = nn.utils.parametrizations.weight_norm
    model = nn.Sequential(wrap(nn.Conv2d(3, 16, 3)), nn.ELU(), wrap(nn.Conv2d(16, 16, 3)), nn.ELU(), head(16))
    return pictures(model)


def siamese():
    net = nn.Sequential(conv(1, 8), nn.MaxPool2d(2), conv(8, 16), head(16, 8))
    model = Runs(lambda s, a, p, n: (s.net(a), s.net(p), s.net(n)), net=net)
    return model, tuple(torch.randn(8, 1, 12, 12) for _ in range(3)), None, lambda o, t: F.triplet_margin_loss(*o)


VISION = (
    Case("LeNet", "LeCun 1998", lambda: pictures(lenet(), 1, 28)),
    Case("AlexNet", "Krizhevsky 2012", lambda: pictures(alexnet())),
    Case("VGG with BatchNorm", "Simonyan 2014", lambda: pictures(vgg())),
    Case("ResNet", "He 2015, last gain of a block 0", lambda: pictures(resnet(False))),
    Case("ResNet, bottlenecks", "He 2015, last gain of a block 0", lambda: pictures(resnet(True))),
    Case("WideResNet", "Zagoruyko 2016", lambda: pictures(wide_resnet())),
    Case("DenseNet", "Huang 2016", lambda: pictures(densenet())),
    Case("Inception", "Szegedy 2014", inception),
    Case("SqueezeNet", "Iandola 2016", lambda: pictures(squeezenet())),
    Case("MobileNetV2", "Sandler 2018", lambda: pictures(mobile())),
    Case("EfficientNet", "Tan 2019", lambda: pictures(mobile(nn.SiLU, True))),
    Case("ConvNeXt", "Liu 2022, LayerScale 1e-6", lambda: pictures(convnext())),
    Case("U-Net", "Ronneberger 2015", unet),
    Case("pyramid of features", "Lin 2016, RetinaNet's heads", pyramid),
    Case("autoencoder", "Hinton 2006", autoencoder),
    Case("variational autoencoder", "Kingma 2013", vae),
    Case("DCGAN's discriminator", "Radford 2015", discriminator),
    Case("DCGAN's generator", "Radford 2015", generator),
    Case("spectrally normed discriminator", "Miyato 2018", spectral),
    Case("weight-normed convolutions", "Salimans 2016", weight_normed),
    Case("triplets", "Schroff 2015", siamese),
)
