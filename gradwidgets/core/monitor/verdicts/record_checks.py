"""All checks of the record of a training."""

from gradwidgets.core.layers.verdicts.verdict import Check, gravest
from gradwidgets.core.monitor.verdicts.course.alike import collapsed
from gradwidgets.core.monitor.verdicts.course.gone import gone
from gradwidgets.core.monitor.verdicts.course.last_leap import leaped_at_last
from gradwidgets.core.monitor.verdicts.course.odd_batch import with_the_batch
from gradwidgets.core.monitor.verdicts.course.rate_cuts import against_its_measure
from gradwidgets.core.monitor.verdicts.course.rate_turns import begins_again, negative, seldom_called
from gradwidgets.core.monitor.verdicts.course.rates import slow_groups, warming
from gradwidgets.core.monitor.verdicts.course.rounds import in_rounds
from gradwidgets.core.monitor.verdicts.course.same_part import same_part
from gradwidgets.core.monitor.verdicts.course.strong_decay import outweighed
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.monitor.verdicts.record_beginning import dropped, frozen, large_eps, zero_weights
from gradwidgets.core.monitor.verdicts.record_breaks import bad_batch, small_batch, sudden_rise
from gradwidgets.core.monitor.verdicts.record_causes import decay, endless, first_loss, negated, penalty, summed
from gradwidgets.core.monitor.verdicts.record_fading import fading
from gradwidgets.core.monitor.verdicts.record_finite import not_finite
from gradwidgets.core.monitor.verdicts.record_given import (
    cut,
    evaluation,
    one_class,
    output_scale,
    same_batch,
    target_scale,
)
from gradwidgets.core.monitor.verdicts.record_gradients import (
    added_up,
    underflow,
    unheld,
    unlisted,
    without,
)
from gradwidgets.core.monitor.verdicts.record_jumps import jumped, momentum
from gradwidgets.core.monitor.verdicts.record_leaps import leaped
from gradwidgets.core.monitor.verdicts.record_level import above_a_guess
from gradwidgets.core.monitor.verdicts.record_loss import by_frequencies, diverging, guessing, single
from gradwidgets.core.monitor.verdicts.record_order import (
    blending,
    one_after_the_other,
    perhaps_in_order,
    sorted_classes,
)
from gradwidgets.core.monitor.verdicts.record_turns import unbalanced
from gradwidgets.core.monitor.verdicts.steps.record_by_hand import shrunk_by_hand
from gradwidgets.core.monitor.verdicts.steps.record_clips import (
    always_clipped,
    clipped_in_parts,
    clipped_late,
    scaled,
)
from gradwidgets.core.monitor.verdicts.steps.record_frozen import frozen_norms, held_by_rounding, not_frozen
from gradwidgets.core.monitor.verdicts.steps.record_idle import idle_rows
from gradwidgets.core.monitor.verdicts.steps.record_optimizers import made_anew, no_step, none_held, stopped
from gradwidgets.core.monitor.verdicts.steps.record_outside import drawn_again, drawn_back, two_optimizers
from gradwidgets.core.monitor.verdicts.steps.record_parts import (
    added_by_calls,
    added_in_part,
    added_in_turns,
    clipped_in_turns,
    fast_group,
    unmoved,
)
from gradwidgets.core.monitor.verdicts.steps.record_raised import raised_rate
from gradwidgets.core.monitor.verdicts.steps.record_schedule import begins_at_0, ended, of_nothing, swings
from gradwidgets.core.monitor.verdicts.steps.record_steps import beyond_stable, died, out_of_range, rounding
from gradwidgets.core.monitor.verdicts.steps.record_sums import (
    added_up_later,
    left_over,
    past_losses,
    put_back,
    stale,
    tails_thrown_away,
    thrown_away,
)
from gradwidgets.core.monitor.verdicts.steps.record_wild import beyond_rule, thrown_far
from gradwidgets.core.results.finding import NAMES, Finding


def in_an_order(judged: JudgedRecord) -> list[Finding]:
    """Classes that come one after the other, one or several per batch."""
    if one_class(judged):
        return []
    return one_after_the_other(judged) or sorted_classes(judged) or blending(judged)


def added_sums(judged: JudgedRecord) -> list[Finding]:
    """Gradients of all layers that add up: over all steps, since some step, or over several steps at a time."""
    return added_up(judged) or added_up_later(judged) or added_in_turns(judged)


RECORD_CHECKS: dict[str, Check] = {
    # Causes come first: of two findings of one severity, the first is reported first.
    "running_sum": Check(
        "what is noted is not what the steps make smaller",
        "Note the step's own loss.",
        lambda judged: [],  # said of what was noted; all else is judged by the losses themselves
    ),
    "unheld": Check(
        "what no optimizer holds stays as it was drawn",
        "If one holds them, call its step(); else give them to one that is made after them, or set "
        "requires_grad_(False) where that is intended.",
        lambda judged: unheld(judged) or none_held(judged),
    ),
    "unlisted": Check(
        "what no optimizer is given stays as it was drawn",
        "Register it: nn.ModuleList or nn.ParameterList in place of a list, nn.ModuleDict in place of a dict, "
        "nn.Parameter for a tensor.",
        unlisted,
    ),
    "two_optimizers": Check(
        "each gradient moves the weights twice, by rules that do not know of each other",
        "Give each parameter to one optimizer.",
        two_optimizers,
    ),
    "unbalanced": Check(
        "of two that train against each other one learns nothing any more",
        "Hold the one back whose loss is next to nothing.",
        unbalanced,
    ),
    "scaled": Check(
        "steps are as many times too long",
        "Call scaler.step(optimizer).",
        scaled,
    ),
    "underflow": Check(
        "gradients that are 0 teach nothing",
        "Scale the loss, or take bfloat16.",
        underflow,
    ),
    "zero_weights": Check(
        "weights of 0 behind weights of 0 get no gradient and stay 0",
        "Draw them at random.",
        zero_weights,
    ),
    "frozen": Check(
        "what is frozen as it was drawn has learned nothing and never will",
        "Call requires_grad_(True) on what is to be trained.",
        frozen,
    ),
    "not_frozen": Check(
        "what is meant to stay as it is moves",
        "Call requires_grad_(False) on the module.",
        not_frozen,
    ),
    "by_hand": Check(
        "weights that nothing teaches fade",
        "Leave parameters without a gradient out of what is written by hand.",
        shrunk_by_hand,
    ),
    "frozen_norms": Check(
        "what was learned with the old statistics meets others",
        "Call .eval() on batch norms that are to stay as they are.",
        frozen_norms,
    ),
    "dropout": Check(
        "next to nothing comes through",
        "Take a p of 0.1 to 0.5: it is the share that is dropped.",
        dropped,
    ),
    "eps": Check(
        "steps are divided by eps instead of by the gradient's size",
        "Take the usual eps of 1e-8.",
        large_eps,
    ),
    "clipped_late": Check(
        "a clip behind the step changes nothing",
        "Clip between backward() and step().",
        clipped_late,
    ),
    "clipped_in_parts": Check(
        "a sum whose parts are clipped is no gradient of all batches",
        "Clip once, before step().",
        clipped_in_parts,
    ),
    "negative_rate": Check(
        "steps of a negative rate go up the gradient",
        "Bound the schedule at 0.",
        negative,
    ),
    "clipped_in_turns": Check(
        "most steps go by gradients that no clip has seen",
        "Put step and clip under the same condition.",
        clipped_in_turns,
    ),
    "raised_rate": Check(
        "steps that are too long throw away what was learned",
        "Look at what raises the learning rate.",
        raised_rate,
    ),
    "sudden_rise": Check(
        "what was learned is of no use for what comes from then on",
        "Look at what the model is given from that step on.",
        sudden_rise,
    ),
    "bad_batch": Check(
        "each epoch a batch pulls the weights away",
        "Look at that batch.",
        bad_batch,
    ),
    "small_batch": Check(
        "the statistics of so few samples are none of the data's",
        "Leave it out: DataLoader(…, drop_last=True).",
        small_batch,
    ),
    "target_scale": Check(
        "the gradient is as large as the targets, or they are out of reach of the steps",
        "Scale the targets before the training, and the predictions back.",
        target_scale,
    ),
    "output_scale": Check(
        "the gradient is as large as the outputs",
        "Draw the weights smaller.",
        output_scale,
    ),
    "one_class": Check(
        "there is nothing to tell apart",
        "Look at how the labels are read.",
        one_class,
    ),
    "one_class_a_batch": Check(
        "each batch undoes what the last one taught",
        "Shuffle.",
        # Of targets it is said by "one_class".
        in_an_order,
    ),
    "in_order": Check(
        "what the model is asked for is never all of the data",
        "Shuffle.",
        in_rounds,
    ),
    "same_batch": Check(
        "what is learned is one batch",
        "Go through the loader.",
        lambda judged: same_batch(judged) or same_part(judged),
    ),
    "evaluation": Check(
        "dropout and batch norms are not what they are in training",
        "Call model.train() before the training and after each evaluation.",
        evaluation,
    ),
    "momentum": Check(
        "old gradients go on for longer than the training lasts",
        "Take a momentum of 0.9.",
        momentum,
    ),
    "negated": Check(
        "what is made smaller is how right it is",
        "Remove the minus sign.",
        lambda judged: negated(judged) or endless(judged),
    ),
    "summed": Check(
        "the gradient grows with the batch",
        "Take the mean, or divide the learning rate by the size of a batch.",
        summed,
    ),
    "penalty": Check(
        "the weights are made small, whatever the data say",
        "Make the penalty's factor smaller.",
        penalty,
    ),
    "decay": Check(
        "the weights are drawn to 0, whatever the data say",
        "Make weight decay smaller.",
        lambda judged: decay(judged) or outweighed(judged),
    ),
    "first_loss": Check(
        "the first steps are spent on taking back what was drawn",
        "Draw the last layer smaller.",
        first_loss,
    ),
    "added_up": Check(
        "a step goes by all batches since the start",
        "Call optimizer.zero_grad() before each backward pass.",
        lambda judged: added_by_calls(judged) or added_in_part(judged) or added_sums(judged),
    ),
    "fast_group": Check(
        "weights of one group are thrown about",
        "Lower the learning rate of that group.",
        fast_group,
    ),
    "non_finite": Check(
        "NaN or infinity ends the training at once",
        "Look at that batch and at what divides, takes a logarithm or a root; lower the learning rate; clip.",
        not_finite,
    ),
    "past_losses": Check(
        "a step goes by all batches since the start, and each takes longer than the one before",
        "Call backward() on the loss of this step alone.",
        past_losses,
    ),
    "left_over": Check(
        "a step goes by what another loss wants, too",
        "Call zero_grad() right before the backward() of the optimizer's own loss.",
        left_over,
    ),
    "thrown_away": Check(
        "what was computed of most batches is lost",
        "Call zero_grad() once a step, right after optimizer.step().",
        lambda judged: thrown_away(judged) or tails_thrown_away(judged),
    ),
    "stale": Check(
        "a step by an old gradient goes on in a direction that may be none any more",
        "Call backward() once before each optimizer.step(), on the loss of the model that is watched; to accumulate, "
        "step with the last of the batches only.",
        stale,
    ),
    "no_step": Check(
        "without a step nothing is learned",
        "Call optimizer.step(); make the optimizer of the model that is trained, after all its parts are in place.",
        no_step,
    ),
    "not_watched": Check(
        "what is not watched is not recorded",
        "Put the training into the monitor's block.",
        lambda judged: [],  # said by "no_step"
    ),
    "stopped": Check(
        "what comes after the last step that is seen is not judged",
        "Give the monitor what is trained then.",
        stopped,
    ),
    "made_anew": Check(
        "momentum and averages of gradients begin at 0 again and again",
        "Make the optimizer once, before the loop.",
        made_anew,
    ),
    "unmoved": Check(
        "without a step that is written to them weights stay as they are",
        "Write to the weights in place.",
        unmoved,
    ),
    "put_back": Check(
        "every step is undone",
        "Look for load_state_dict, copy_ or a new draw of the weights within the loop.",
        lambda judged: put_back(judged) or drawn_back(judged),
    ),
    "drawn_again": Check(
        "what was learned is thrown away again and again",
        "Draw the weights once, before the loop.",
        drawn_again,
    ),
    "cut": Check(
        "what runs without a graph is not trained",
        "Remove torch.no_grad() or detach; or set requires_grad_(False) where that is intended.",
        cut,
    ),
    "no_gradient": Check(
        "nothing is learned without a gradient",
        "Call zero_grad() before backward(), not between it and step(); look for detach and no_grad.",
        lambda judged: gone(judged) or without(judged),
    ),
    "unused": Check(
        "what the loss is not made of is not trained",
        "Use these layers in forward, or set requires_grad_(False) where that is intended.",
        lambda judged: [],  # said by "no_gradient"
    ),
    "diverging": Check(
        "the steps make it worse",
        "Lower the learning rate; clip; look for a wrong sign.",
        lambda judged: with_the_batch(judged, gravest(diverging(judged), thrown_far(judged), jumped(judged))),
    ),
    "leap": Check(
        "one step throws away what dozens have learned",
        "Look at that batch; lower the learning rate; clip.",
        lambda judged: perhaps_in_order(judged, with_the_batch(judged, leaped(judged))) or leaped_at_last(judged),
    ),
    "fading": Check(
        "without a gradient nothing more is learned",
        "Take a loss that has a slope where it is lost.",
        fading,
    ),
    "collapsed": Check(
        "what is the same for all tells nothing of any",
        "Take what holds the answers apart.",
        collapsed,
    ),
    "beyond_rule": Check(
        "steps of a broken memory throw away what was learned",
        "Keep the optimizer's state in float32, and load the one that belongs to the weights.",
        beyond_rule,
    ),
    "warming": Check(
        "steps are far shorter than they are planned to be",
        "Make the warm-up shorter.",
        warming,
    ),
    "slow_groups": Check(
        "layers that hardly move learn nothing",
        "Give their group a larger learning rate.",
        slow_groups,
    ),
    "no_rate": Check(
        "a step of a learning rate of 0 is none",
        "Look at the schedule, and at the lr that the optimizer is given.",
        of_nothing,
    ),
    "idle_start": Check(
        "a step of a learning rate of 0 is none",
        "Let the schedule begin above 0.",
        begins_at_0,
    ),
    "large_updates": Check(
        "weights are thrown about and not refined",
        "Lower the learning rate, tenfold at first.",
        out_of_range,
    ),
    "small_updates": Check(
        "the weights hardly move",
        "Raise the learning rate, tenfold at first.",
        lambda judged: [],  # said by "large_updates"
    ),
    "schedule": Check(
        "what is left of the training is spent on nothing",
        "Look at the schedule, how many steps it is made for and how often scheduler.step() is called.",
        lambda judged: against_its_measure(judged) or ended(judged) or seldom_called(judged),
    ),
    "rounding": Check(
        "the weights stay as they are",
        "Keep the weights in float32.",
        lambda judged: rounding(judged) or held_by_rounding(judged),
    ),
    "idle_rows": Check(
        "what was learned before fades, though nothing teaches it anything else",
        "Give this parameter a group of its own with weight_decay=0.",
        idle_rows,
    ),
    "swings": Check(
        "a schedule that is made for epochs is gone through within a few steps",
        "Call scheduler.step() once an epoch.",
        lambda judged: begins_again(judged) or swings(judged),
    ),
    "died": Check(
        "a unit that gives 0 for every sample gets no gradient and stays dead",
        "Lower the learning rate or warm it up; LeakyReLU or GELU; He's init.",
        died,
    ),
    "beyond_stable": Check(
        "along the steepest direction each step goes further than it came",
        "Lower the learning rate below 2/λmax.",
        beyond_stable,
    ),
    "always_clipped": Check(
        "every step has the same length, and the gradient's size has no say",
        "Raise max_norm above the usual norm, and choose the learning rate again.",
        always_clipped,
    ),
    "guessing": Check(
        "nothing is learned from the inputs",
        "Try to overfit one batch; look at labels against inputs, the learning rate, a softmax before the loss.",
        lambda judged: guessing(judged) or by_frequencies(judged) or above_a_guess(judged),
    ),
    "single_samples": Check(
        "one sample's gradient is mostly noise",
        "Take larger batches, or add up the gradients of several samples for a step; else a smaller learning rate.",
        single,
    ),
}
NAMES.update(RECORD_CHECKS)
