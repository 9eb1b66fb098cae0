"""Checks that pass on findings about the batch, the loss and single operations, with a meaning and a default action."""

from dataclasses import replace

from gradwidgets.core.layers.verdicts.verdict import Check, Judged
from gradwidgets.core.results.finding import Finding

# The name of a finding → what it means for training, what to do about it.
_MEANINGS = {
    "non_finite_data": ("one such number makes every weight NaN in one step", "Clean the data, or mask it."),
    "non_finite_weights": ("the model's outputs are not finite", "Go back to weights that are finite."),
    "input_scale": ("the first layers saturate, explode or stand still", "Scale the inputs, each feature by itself."),
    "target_scale": ("the output needs thousands of steps to get there", "Scale the targets."),
    "batch_of_one": ("a norm over one sample leaves nothing of it", "Larger batches, or another normalisation."),
    "empty_batch": ("a mean over no sample is no number", "Look at what makes the batches: a filter, the last one."),
    "constant_inputs": ("the inputs do not tell samples apart", "Look at what loads and scales them."),
    "tokens": ("a table of which one row is used does not tell samples apart", "Take bins as tokens."),
    "broadcast": ("every output is compared with every target", "Give both the same shape."),
    "not_logits": ("the gradient is small, and smallest where the output is certain", "Hand the loss logits."),
    "not_log_probabilities": ("the loss is no likelihood", "log_softmax before it, or cross_entropy."),
    "not_probabilities": ("the loss is not defined there", "A sigmoid before it, or BCEWithLogitsLoss."),
    "labels": ("the loss cannot use such labels", "Labels from 0 to the number of classes less one."),
    "target_range": ("the loss has no lowest value, or a wrong one", "Bring the targets into its range."),
    "dropout last": ("the dropped part of the output is an error that no model can avoid", "Leave it out there."),
    "likelihood": ("each step makes the targets less likely", "A minus before it."),
    "falls without end": ("the loss has no lowest value", "Flip the sign of that term."),
    "variance": ("numbers with a deviation of next to 0 dominate the loss", "softplus or exp in its place."),
    "out_of_reach": ("the output cannot get to the targets", "Another last activation, or scaled targets."),
    "ctc": ("such samples have an infinite loss", "Longer inputs, shorter targets, or leave them out."),
    "constant_loss": ("nothing is learned, whatever the model does", "Look at the mask, the labels and the classes."),
    "flat_loss": ("a loss that is flat at the output trains nothing", "Take one that has a slope there."),
    "collapsed": ("distances between samples say nothing", "Smaller steps, and easier negatives at first."),
    "loss_met": ("the batch trains nothing", "Harder samples, or nothing."),
    "detached_loss": ("nothing is learned", "Look for detach, item, no_grad, argmax on the way to the loss."),
    "swapped": ("the loss is not the intended one", "Swap the arguments."),
    "term_elsewhere": ("a part of the loss trains another module alone", "Leave the detach out, or nothing."),
    "term_without_gradient": ("a part of the loss trains nothing", "Let a gradient pass it, or leave it out."),
    "self_similarity": ("a sample cannot be closer to its partner than to itself", "Mask the diagonal."),
    "first_loss": ("the first steps only make the output smaller", "A smaller draw of the last layer."),
    "backward_in_loss": ("every gradient is counted twice", "Call backward once, in the training loop."),
    "summed_loss": ("a larger batch takes larger steps", "A mean over the samples."),
    "padded_targets": ("the loss falls by padding, and says little of the rest", "ignore_index."),
    "moving_target": ("the target moves together with the output", "target.detach()."),
    "torch_warning": ("torch itself warns of it", "Read what it says."),
    "raised": ("there is no loss yet", "Mend this first."),
}  # fmt: skip
# The same for findings on single operations of the model.
_OPERATIONS = {
    "uninitialised": ("such numbers are another each time, and saturate all behind them", "Write numbers into them."),
    "norm_of_one": ("the output does not depend on the input", "A norm over several numbers, or none."),
    "softmax_of_one": ("the softmax of a single number is always 1", "Another axis, or a sigmoid."),
    "linear chain": ("without an activation, several layers are one linear map", "An activation between them."),
    "dropout": ("too little is left of a sample to learn from it", "A smaller p."),
    "bags": ("a sample gets the tokens of another, or none", "Offsets are where bags start."),
    "normalised axis": ("the products are no cosines, and grow with the size of the factors", "dim=-1."),
    "softmax twice": ("weights that are nearly equal do not tell entries apart", "Take it once."),
    "softmax axis": ("the weights of the keys do not sum to 1", "The axis of the keys, dim=-1."),
    "mask": ("attention sees what it should not, or nothing", "Look at what True stands for, and at the diagonal."),
    "nodes alike": (
        "the last layers only see what all nodes have in common",
        "Fewer layers; a residual connection, or the first features again in each layer; the features of all layers "
        "side by side at the end. A norm makes what is left larger, and does not bring back what is lost.",
    ),
    "position code": ("places of one sample are not told apart", "Let the code run along the axis of places."),
    "sampling grid": ("samples outside of a map are 0", "Coordinates from −1 to 1."),
    "unread samples": (
        "a batch of which one sample counts teaches no more than that one",
        "Pick along the axis of steps, not along that of the samples.",
    ),
    "half overflow": (
        "what exceeds the range of float16 is infinite",
        "Keep sums of squares in float32, or bfloat16.",
    ),
    "half underflow": ("numbers below the range of float16 are 0", "Scale the loss, or bfloat16."),
    "targets seen": (
        "the model learns to copy its inputs: the loss falls, and the model is of no use",
        "A causal mask, and targets one step on.",
    ),
    "padding read": ("what a sample gets depends on how long others are", "Leave padding out."),
    "steps as channels": ("features of all sizes share one scale", "Change the axes over around it."),
    "repeated layer": ("all of them have the same weights", "Make each separately, if each is to have its own."),
    "kernel on padding": ("a part of the weights is never trained", "Larger inputs, or a smaller kernel."),
    "unused state": ("earlier steps have no influence, and are not learned from", "Hand the state on, or take h_n."),
    "drawn state": ("the same batch gets another output each time", "Zeros, or a learned state."),
    "modules alike": ("copies that stay copies are worth one of them", "Draw the weights of each separately."),
    "equal scores": ("shares that are always equal are learned by no step", "A score for each entry of its own."),
    "rows alike": ("rows that stay the same are worth one of them", "Draw them at random."),
    "custom backward": ("training follows another function than the one that runs", "torch.autograd.gradcheck."),
    "pooled samples": ("what one batch teaches does not hold for the next", "Take it over the steps."),
    "one memory": ("two optimizers' states move one weight", "Share the parameter itself."),
    "parameter made anew": (
        "the optimizer has parameters of before",
        "Keep the parameter, set its numbers.",
    ),
    "norm eps": (
        "a norm with such an eps divides by the same number whatever comes in, and the signal shrinks",
        "An eps of 1e−5.",
    ),
    "plain tensor": ("a tensor that is no parameter is not trained", "nn.Parameter, or register_buffer."),
    "normalised batch": ("a sample's features change with what else is in the batch", "Name the axis: dim=-1."),
    "steps apart": ("each step is judged by itself, as if there were no others", "transpose(1, 2) before the product."),
    "norm momentum": ("evaluation uses the statistics of the last batch alone", "momentum=0.1."),
    "always dropped": ("the model's output is different each time", "training=self.training."),
    "rows apart": ("what a sample gets depends on its place in the batch", "Slice along the axis that is meant."),
    "straight residual": ("the layers before it get no gradient from it", "Take the code from it detached."),
    "constant code": ("places of one sample are not told apart", "torch.arange of the places."),
    "kept graph": ("the second backward raises", "Detach the state."),
    "masked by 0": ("hidden entries still get some weight", "masked_fill with −inf."),
    "temperature": ("a softmax that has decided learns no more", "A temperature of 1 at first."),
    "unread states": ("states that are not read are not trained", "Read the last layer's states, of both directions."),
    "mixed axes": (
        "numbers of one step or channel are mistaken for those of another",
        "transpose (or permute) changes axes over, before view and reshape where both are needed: these keep all "
        "numbers in order and move nothing.",
    ),
}


def _said(name: str) -> Check:
    def find(judged: Judged) -> list[Finding]:
        return [one for one in judged.flow.preflight if one.name == name]

    return Check(*_MEANINGS[name], find)


def _of_operation(name: str) -> Check:
    def find(judged: Judged) -> list[Finding]:
        return [
            replace(one, where=judged.places([one.evidence.get("layer", "")]))
            for one in judged.flow.operations
            if one.name == name
        ]

    return Check(*_OPERATIONS[name], find)


BEFORE = {name: _said(name) for name in _MEANINGS}
OPERATIONS = {name: _of_operation(name) for name in _OPERATIONS}
