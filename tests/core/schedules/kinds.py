"""Settings of every schedule, for properties that all of them have."""

from hypothesis import strategies as st

from gradwidgets.core import SCHEDULES, warm_up

counts = st.integers(1, 40)
gammas = st.floats(0.05, 1.1)
momenta = st.floats(0, 0.99)
lrs = st.floats(1e-4, 0.4)


def of(name, **settings):
    return st.builds(SCHEDULES[name], **settings)


ANY = {
    "StepLR": of("StepLR", step_size=counts, gamma=gammas),
    "MultiStepLR": of("MultiStepLR", milestones=st.lists(counts, max_size=4), gamma=gammas),
    "ConstantLR": of("ConstantLR", factor=st.floats(0.01, 1), total_iters=st.integers(0, 40)),
    "LinearLR": of(
        "LinearLR", start_factor=st.floats(0.01, 1), end_factor=st.floats(0, 1), total_iters=st.integers(0, 40)
    ),
    "ExponentialLR": of("ExponentialLR", gamma=st.floats(0.7, 1.02)),
    "CosineAnnealingLR": of("CosineAnnealingLR", T_max=counts, eta_min=st.floats(0, 0.01)),
    "CosineAnnealingWarmRestarts": of(
        "CosineAnnealingWarmRestarts", T_0=counts, T_mult=st.integers(1, 3), eta_min=st.floats(0, 0.01)
    ),
    "OneCycleLR": of(
        "OneCycleLR",
        max_lr=lrs,
        total_steps=st.integers(60, 90),
        pct_start=st.floats(0.1, 0.9),
        anneal_strategy=st.sampled_from(["cos", "linear"]),
        cycle_momentum=st.booleans(),
        base_momentum=momenta,
        max_momentum=momenta,
        div_factor=st.floats(1, 50),
        final_div_factor=st.floats(1, 1e4),
    ),
    "PolynomialLR": of("PolynomialLR", total_iters=st.integers(0, 80), power=st.floats(0.2, 3)),
    "CyclicLR": of(
        "CyclicLR",
        base_lr=lrs,
        max_lr=lrs,
        step_size_up=counts,
        step_size_down=st.one_of(st.none(), counts),
        mode=st.sampled_from(["triangular", "triangular2", "exp_range"]),
        gamma=st.floats(0.8, 1),
        cycle_momentum=st.booleans(),
        base_momentum=momenta,
        max_momentum=momenta,
    ),
    "ReduceLROnPlateau": of(
        "ReduceLROnPlateau",
        factor=st.floats(0, 0.9),
        patience=st.integers(0, 5),
        threshold=st.sampled_from([0.0, 1e-4, 0.1]),
        threshold_mode=st.sampled_from(["rel", "abs"]),
        cooldown=st.integers(0, 3),
        min_lr=st.sampled_from([0.0, 1e-3]),
        mode=st.sampled_from(["min", "min", "max"]),
    ),
}
ANY["SequentialLR"] = st.builds(
    lambda first, second, at: SCHEDULES["SequentialLR"]([first, second], [at]),
    ANY["ConstantLR"],
    ANY["ExponentialLR"],
    counts,
)
schedules = st.one_of(*ANY.values())
maybe_warm = st.one_of(
    schedules, st.builds(warm_up, st.one_of(st.none(), schedules), st.integers(1, 20), st.floats(0.01, 1))
)
