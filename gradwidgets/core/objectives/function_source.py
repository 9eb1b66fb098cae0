"""The source text of a user's function, if it is self-contained."""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType


def function_source(fn: Callable[..., object], name: str, *, split: bool) -> str:
    """Python source that defines `objective(point)` from the source of `fn`.

    The source is used only if it is a plain `def` that needs nothing but torch, math and builtins; otherwise
    the script would fail on names that exist only in the user's session.

    Args:
        fn: The user's function.
        name: The function's name.
        split: Whether it takes the two parameters separately, f(a, b), or as points of shape (N, 2).

    Returns:
        The definition; or a comment that says why there is none, and a line that stops the script.
    """
    text, missing = standalone(fn)
    if text is None:
        return (
            f"# {name} could not be written out: {missing}.\n"
            "# Define objective(point) here: a tensor of shape (2,) in, a tensor of one value out.\n"
            'raise SystemExit("paste your objective here")\n'
        )
    call = "*point.reshape(1, 2).unbind(-1)" if split else "point.reshape(1, 2)"
    return f"{text}\n\ndef objective(point):\n    return {name}({call}).sum()\n"


def standalone(fn: Callable[..., object]) -> tuple[str | None, str]:
    """Return the source of a function that needs nothing but torch, math and builtins; or None and why not."""
    if not inspect.isfunction(fn):
        return None, "it is not a plain function"
    if fn.__name__ == "<lambda>":
        return None, "it is a lambda"
    try:
        text = textwrap.dedent(inspect.getsource(fn))
        tree = ast.parse(text)
    except (OSError, TypeError, SyntaxError, IndentationError):
        return None, "its source is not available"
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef) or tree.body[0].decorator_list:
        return None, "it is not a plain undecorated def"
    known = set(dir(builtins)) | {"torch", "math"}
    codes, needed = [fn.__code__], set(fn.__code__.co_freevars)
    while codes:
        code = codes.pop()
        codes += [c for c in code.co_consts if inspect.iscode(c)]
        needed |= {n for n in _global_names(code) if n not in known and n != fn.__name__}
    if needed:
        return None, f"it uses {', '.join(sorted(needed))} from outside"
    return text, ""


def _global_names(code: CodeType) -> set[str]:
    import dis

    return {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
