"""Settings of every rule, for properties that all of them have."""

from hypothesis import strategies as st

from gradwidgets.core import OPTIMIZERS, SGD

lr = st.floats(1e-4, 0.5)
decay = st.one_of(st.just(0.0), st.floats(1e-3, 2))
share = st.floats(0, 0.99)
flag = st.booleans()
betas = st.tuples(share, st.one_of(st.floats(0, 0.9999), st.sampled_from([0.0, 0.9, 0.999])))
eps = st.sampled_from([0.0, 1e-10, 1e-8, 0.1])
some = st.one_of(st.just(0.0), st.floats(1e-3, 3))


def having(rule, **strategies):
    """Any settings of a rule, each drawn or left at its default."""
    return st.fixed_dictionaries({"lr": lr}, optional={**strategies, "maximize": flag}).map(
        lambda drawn: OPTIMIZERS[rule](**drawn)
    )


ADAM = {"betas": betas, "eps": eps, "weight_decay": decay}
DECOUPLED = {**ADAM, "decoupled_weight_decay": flag}
REST = {"eps": eps, "weight_decay": decay}

RULES = {
    "SGD": st.one_of(
        st.builds(SGD, lr, share, st.floats(-1, 1), decay, maximize=flag),
        st.builds(SGD, lr, st.floats(0.01, 0.99), weight_decay=decay, nesterov=st.just(True), maximize=flag),
    ),
    "Adam": having("Adam", **DECOUPLED, amsgrad=flag),
    "AdamW": having("AdamW", **ADAM, amsgrad=flag),
    "NAdam": having("NAdam", **DECOUPLED, momentum_decay=some),
    "RAdam": having("RAdam", **DECOUPLED),
    "Adamax": having("Adamax", **ADAM),
    "Adagrad": having("Adagrad", **REST, lr_decay=some, initial_accumulator_value=some),
    "Adadelta": having("Adadelta", **REST, rho=st.one_of(share, st.just(1.0))),
    "RMSprop": having("RMSprop", **REST, alpha=st.one_of(share, st.just(1.0)), momentum=share, centered=flag),
    "Rprop": having(
        "Rprop",
        etas=st.tuples(st.floats(0.01, 0.99), st.floats(1.01, 3)),
        step_sizes=st.tuples(st.floats(0, 0.01), st.floats(0.01, 50)),
    ),
    "ASGD": having(
        "ASGD",
        lambd=st.one_of(some, st.floats(-0.005, 0)),
        alpha=st.floats(-0.5, 1),
        t0=st.sampled_from([-3.0, 0.0, 5.0, 1e6]),
        weight_decay=decay,
    ),
}
