"""What to do if the path of a gradient is cut off, or stops at a piecewise constant function."""

from gradwidgets.core.layers.causes.cut import ANEW, COMPARISONS, CUTTING, PARAMETER, WRAPPED, Cut

_CHOICES = ("argmax", "argmin", "argsort", "topk", "min", "max", "sort", "searchsorted", "bucketize")
_CHOSEN = (
    "No gradient passes a choice: for the code q that is chosen for z, go straight through with z + (q − z).detach(); "
    "multiply what a chosen expert gives by its chance; and compute a loss of scores, not of what was chosen."
)
_DETACHED = (
    "Take the detach out there; where it is meant, as in going straight through, give what is detached a term of the "
    "loss of its own, computed before the detach: for the codes q that are looked up for z, mse(q, z.detach())."
)
_ANEW = (
    "torch.tensor makes new numbers of old ones, without the way back, whatever its requires_grad: torch.stack puts "
    "tensors together and keeps it, sum(losses) adds them up; a single tensor or parameter is used as it is."
)
_LOSS_ANEW = (
    "Return the loss as it was computed: it has its way back. Variable(loss, requires_grad=True) makes a new tensor of "
    "its number, which asks for a gradient and has none to hand on."
)
_LEFT = (
    "Use the tensor itself in place of what {0} makes of it: torch computes with tensors of one number as with plain "
    "numbers, and keeps the way back."
)
_WRAPPED = (
    "Use what it is made of as it is: an nn.Parameter that is made in forward is a new one each time, without the way "
    "back to what it was made of, and no optimizer knows it. F.linear(x, weight) takes any tensor."
)
_QUIET = (
    "Let it run with gradients: outside of no_grad, inference_mode and set_grad_enabled(False); or say by "
    "requires_grad_(False) that it is to stay as it is."
)
_WRITTEN = (
    "Use what is made as the weight itself: F.linear(x, made), or torch.func.functional_call(layer, {'weight': made}, "
    "(x,)), which runs a layer with other weights and keeps the way back."
)
_CHECKPOINT = (
    "checkpoint(…, use_reentrant=False), which needs no input that asks for a gradient; or x.requires_grad_()."
)
_COMPARED = (
    "No gradient passes a comparison: compute the loss of what is compared, logits or probabilities; and within a "
    "network go straight through, hard + soft − soft.detach(), with a sigmoid of the same as soft."
)
_SMOOTH = (
    "Compute the loss of what comes before that, probabilities or logits, and keep decisions, rounding and counts for "
    "where results are read."
)
_STRAIGHT = (
    "Go straight through: for y = {0}(x), hand on x + ({0}(x) − x).detach(), which gives y and lets the gradient by; "
    "or train with a smooth function in its place (tanh for sign, a sigmoid for a step). Where what comes in goes "
    "straight through already, leave {0} out, or put it inside of that detach."
)


def cure(cut: Cut) -> str:
    """Return what to do about a cut; "" if there is only general advice."""
    if cut.how == "checkpoint":
        return _CHECKPOINT
    if cut.how == "steps":
        return _STRAIGHT.format(cut.operation) if cut.within else _SMOOTH
    if cut.how == "left":
        return _LEFT.format(cut.operation.strip("_"))
    if cut.how == "written":
        return _WRITTEN
    if cut.how != "cut":
        return ""
    if cut.quiet:
        return _QUIET
    if cut.operation == WRAPPED:
        return _LOSS_ANEW
    if cut.operation in (PARAMETER, ANEW):
        return _WRAPPED if cut.operation == PARAMETER else _ANEW
    if cut.operation in CUTTING:
        return _DETACHED
    if cut.operation.strip("_") in COMPARISONS:
        return _COMPARED
    return _CHOSEN if cut.operation in _CHOICES else ""


def stop_cure(stop: Cut) -> str:
    """Return what to do about a function that stops a gradient without ending the graph."""
    return cure(stop) if stop.how == "steps" or stop.operation in _CHOICES else _SMOOTH
