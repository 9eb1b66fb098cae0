"""Records of tensors: their storage, requires_grad, gradients and hooks."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


class HeldTensor:
    """A record of a tensor's state except its values, which `bits` compares.

    Args:
        label: The tensor's name.
        tensor: The tensor.

    Attributes:
        gradient: Its gradient; None if it has none.
        hooks: The dictionaries of its hooks, by name; None for each that is absent.
        trained: Whether it requires grad.
    """

    __slots__ = ("_bytes", "_data", "_leaf", "_version", "_where", "gradient", "hooks", "label", "tensor", "trained")

    def __init__(self, label: str, tensor: Tensor) -> None:
        self.label, self.tensor = label, tensor
        self.refresh()

    def refresh(self) -> None:
        """Record the current state as the original one."""
        tensor = self.tensor
        self.trained, self._leaf = tensor.requires_grad, tensor.is_leaf
        # Reading the gradient of a non-leaf warns.
        self.gradient = tensor.grad if self._leaf else None
        self.hooks = {name: getattr(tensor, name, None) for name in HOOKS}
        plain = has_numbers(tensor)
        self._data = tensor.detach() if plain else None
        self._where = where(tensor) if plain else None
        self._bytes = tensor.untyped_storage().nbytes() if plain else 0
        self._version = None if nn.parameter.is_lazy(tensor) or tensor.is_inference() else tensor._version

    def put_back(self) -> Iterator[str]:
        """Restore what has changed; yield what that was, in words."""
        for words, restore in self._changes():
            restore()
            yield words

    def words(self) -> list[str]:
        """What has changed, in words; nothing is restored."""
        return [words for words, _ in self._changes()] if self.changed() else []

    def _changes(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield what has changed, in words, and a function that restores it, to be called before the next is found."""
        tensor = self.tensor
        if self.moved():
            yield f"dtype, shape or memory of {self.label}", self._put_numbers
        if tensor.is_leaf != self._leaf and self._leaf:
            yield f"the graph of {self.label}", tensor.detach_
        if self._leaf and tensor.requires_grad != self.trained:
            yield f"whether {self.label} is trained", partial(tensor.requires_grad_, self.trained)
        if self._leaf and tensor.grad is not self.gradient:
            yield f"the gradient of {self.label}", self._put_gradient
        for name, hooks in self.hooks.items():
            if getattr(tensor, name, None) is not hooks:
                yield f"the hooks of {self.label}", partial(setattr, tensor, name, hooks)

    def _put_numbers(self) -> None:
        if self._data is None:
            return
        with writable(self.tensor):
            if self._data.untyped_storage().nbytes() != self._bytes:
                self._data.untyped_storage().resize_(self._bytes)
            self.tensor.data = self._data

    def _put_gradient(self) -> None:
        with contextlib.suppress(RuntimeError):  # another shape or dtype, until the parameter itself is restored
            self.tensor.grad = self.gradient

    def moved(self) -> bool:
        """Whether its storage, shape, strides or dtype have changed."""
        return self._data is not None and where(self.tensor) != self._where

    def changed(self) -> bool:
        """Whether anything has changed."""
        tensor = self.tensor
        return (
            self.moved()
            or (tensor.is_leaf, tensor.requires_grad) != (self._leaf, self.trained)
            or (self._leaf and tensor.grad is not self.gradient)
            or any(getattr(tensor, name, None) is not hooks for name, hooks in self.hooks.items())
        )

    def put_version(self) -> None:
        """Restore the version counter, so that autograd accepts the values as those it saved."""
        tensor = self.tensor
        if self._version is not None and tensor._version != self._version:
            torch._C._autograd._unsafe_set_version_counter((tensor,), (self._version,))


def has_numbers(tensor: Tensor) -> bool:
    """Whether a tensor's values are stored as plain bytes in memory."""
    return not (nn.parameter.is_lazy(tensor) or tensor.is_meta) and tensor.layout is torch.strided


def where(tensor: Tensor) -> tuple[object, ...]:
    """The location and layout of a tensor's values."""
    if not has_numbers(tensor):
        return (tensor.dtype, tuple(tensor.shape))
    return tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.data_ptr(), tensor.device


@contextlib.contextmanager
def writable(tensor: Tensor) -> Iterator[None]:
    """A block in which a tensor can be written to, even one made in inference mode."""
    with torch.inference_mode(tensor.is_inference()), torch.no_grad():
        yield
