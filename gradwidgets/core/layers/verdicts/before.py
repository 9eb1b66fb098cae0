"""What is said at once of a batch, a loss and single operations, as checks: its meaning, and a cure for want of one."""

from dataclasses import replace

from gradwidgets.core.layers.verdicts.verdict import Check, Judged
from gradwidgets.core.results.finding import Finding

# Name → what it means for training, what to do about it.
_MEANINGS = {
    "non_finite_data": ("one number that is not finite spoils every weight in one step", "Clean the data, or mask it."),
    "non_finite_weights": ("the model is spoilt already", "Go back to weights that are sound."),
    "input_scale": ("the first layers saturate, explode or stand still", "Scale the inputs, each feature by itself."),
    "target_scale": ("the output needs thousands of steps to get there", "Scale the targets."),
    "batch_of_one": ("a mean over one sample leaves nothing of it", "Larger batches, or another normalisation."),
    "empty_batch": ("a mean over no sample is no number", "Look at what makes the batches: a filter, the last one."),
    "constant_inputs": ("there is nothing in the inputs to tell samples apart", "Look at what loads and scales them."),
    "tokens": ("a table of which one row is used tells nothing apart", "Take bins as tokens."),
    "broadcast": ("every output is compared with every target", "Give both the same shape."),
    "not_logits": ("the gradient is small, and smallest where it is sure", "Hand the loss logits."),
    "not_log_probabilities": ("the loss is no likelihood", "log_softmax before it, or cross_entropy."),
    "not_probabilities": ("the loss is not defined there", "A sigmoid before it, or BCEWithLogitsLoss."),
    "labels": ("what is asked for cannot be given", "Labels from 0 to the number of classes less one."),
    "target_range": ("the loss has no lowest value, or another than is meant", "Bring the targets into its range."),
    "dropout last": ("what is dropped of the output is an error that no model can help", "Leave it out there."),
    "likelihood": ("what is wanted becomes less likely with each step", "A minus before it."),
    "falls without end": ("the loss has no lowest value", "Turn the sign of that term."),
    "variance": ("what has a deviation of next to 0 has all the say", "softplus or exp in its place."),
    "out_of_reach": ("the output cannot get to the targets", "Another last activation, or scaled targets."),
    "ctc": ("such samples have an infinite loss", "Longer inputs, shorter targets, or leave them out."),
    "constant_loss": ("nothing is learned, whatever the model does", "Look at the mask, the labels and the classes."),
    "flat_loss": ("a loss that is flat where the output stands moves nothing", "Take one that has a slope there."),
    "loss_met": ("what asks for nothing teaches nothing", "Harder samples, or nothing."),
    "detached_loss": ("nothing is learned", "Look for detach, item, no_grad, argmax on the way to the loss."),
    "swapped": ("the loss is another than is meant", "Change the arguments over."),
    "term_without_gradient": ("a part of the loss trains nothing", "Let a gradient pass it, or leave it out."),
    "self_similarity": ("a sample cannot be closer to its partner than to itself", "Mask the diagonal."),
    "first_loss": ("the first steps only make the output smaller", "A smaller draw of the last layer."),
    "backward_in_loss": ("every gradient is counted twice", "Call backward once, in the training loop."),
    "summed_loss": ("a larger batch takes larger steps", "A mean over the samples."),
    "padded_targets": ("the loss falls by padding, and says little of the rest", "ignore_index."),
    "moving_target": ("what is followed flees or gives in", "target.detach()."),
    "torch_warning": ("torch itself warns of it", "Read what it says."),
    "raised": ("there is no loss yet", "Mend this first."),
}  # fmt: skip
# The same of single operations of the model.
_OPERATIONS = {
    "norm_of_one": ("nothing of what comes in is left", "A norm over several numbers, or none."),
    "softmax_of_one": ("a share of one thing is all of it", "Another axis, or a sigmoid."),
    "linear chain": ("depth without an activation is no depth", "An activation between them."),
    "dropout": ("what is left of a sample is too little to learn from", "A smaller p."),
    "bags": ("a sample gets the tokens of another, or none", "Offsets are where bags start."),
    "normalised axis": ("products are no cosines, and grow with the size of what is multiplied", "dim=-1."),
    "softmax twice": ("shares that are all alike tell nothing apart", "Take it once."),
    "softmax axis": ("what weighs the keys are no shares of them", "The axis of the keys, dim=-1."),
    "mask": ("attention sees what it should not, or nothing", "Look at what True stands for, and at the diagonal."),
    "nodes alike": (
        "what nodes have in common is all that the last layers see",
        "Fewer layers; a residual connection, or the first features again in each layer; the features of all layers "
        "side by side at last. A norm makes what is left larger, and does not bring back what is lost.",
    ),
    "position code": ("places of one sample are not told apart", "Let the code run along the axis of places."),
    "sampling grid": ("what is sampled outside of a map is nothing", "Coordinates from −1 to 1."),
    "unread samples": (
        "a batch of which one sample counts teaches no more than that one",
        "Pick along the axis of steps, not along that of the samples.",
    ),
    "half overflow": ("what leaves the range of float16 is infinite", "Keep sums of squares in float32, or bfloat16."),
    "half underflow": ("what is below the range of float16 is lost", "Scale the loss, or bfloat16."),
    "targets seen": (
        "what can be copied is not learned: the loss falls, and of use it is nothing",
        "A causal mask, and targets one step on.",
    ),
    "padding read": ("what a sample gets depends on how long others are", "Leave padding out."),
    "steps as channels": ("features of all sizes share one scale", "Change the axes over around it."),
    "repeated layer": ("one set of weights does for all of them", "Make each anew, if each is to have its own."),
    "kernel on padding": ("a part of the weights is never trained", "Larger inputs, or a smaller kernel."),
    "unused state": ("what was further back has no say, and is not learned from", "Hand the state on, or take h_n."),
    "modules alike": ("copies that stay copies are worth one of them", "Draw the weights of each anew."),
    "rows alike": ("rows that stay the same are worth one of them", "Draw them at random."),
    "custom backward": ("what is learned follows another function than the one that runs", "torch.autograd.gradcheck."),
    "pooled samples": ("what one batch teaches does not hold for the next", "Take it over the steps."),
    "one memory": ("two optimizers' states move one weight", "Share the parameter itself."),
    "parameter made anew": ("what an optimizer holds is no longer the model's", "Keep the parameter, set its numbers."),
    "norm eps": (
        "a norm with such an eps divides by the same number whatever comes in, and the signal shrinks",
        "An eps of 1e−5.",
    ),
    "plain tensor": ("what is no parameter is not trained", "nn.Parameter, or register_buffer."),
    "normalised batch": ("a sample's features change with what else is in the batch", "Name the axis: dim=-1."),
    "steps apart": ("each step is judged by itself, as if there were no others", "transpose(1, 2) before the product."),
    "norm momentum": ("evaluation goes by the last batch alone", "momentum=0.1."),
    "always dropped": ("what the model gives is another each time", "training=self.training."),
    "rows apart": ("what a sample gets depends on its place in the batch", "Slice along the axis that is meant."),
    "straight residual": ("what needs a gradient gets none", "Take the code from it detached."),
    "constant code": ("places of one sample are not told apart", "torch.arange of the places."),
    "kept graph": ("the second backward raises", "Detach the state."),
    "masked by 0": ("what is hidden is seen", "masked_fill with −inf."),
    "temperature": ("a softmax that has decided learns no more", "A temperature of 1 at first."),
    "unread states": ("what nobody reads is not trained", "Read the last layer's states, of both directions."),
    "mixed axes": (
        "what belongs to one step or channel is taken for another's",
        "transpose (or permute) changes axes over, before view and reshape where both are needed: these count anew and "
        "move nothing.",
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
