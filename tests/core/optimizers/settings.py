"""Settings of every rule, for properties that all of them have."""

from hypothesis import strategies as st

from gradwidgets.core import SGD, Adam

lr = st.floats(1e-4, 0.5)
decay = st.one_of(st.just(0.0), st.floats(1e-3, 2))
share = st.floats(0, 0.99)

RULES = {
    "SGD": st.one_of(
        st.builds(SGD, lr, share, st.floats(-1, 1), decay, maximize=st.booleans()),
        st.builds(SGD, lr, st.floats(0.01, 0.99), weight_decay=decay, nesterov=st.just(True), maximize=st.booleans()),
    ),
    "Adam": st.builds(
        Adam,
        lr,
        st.tuples(share, st.floats(0, 0.9999)),
        st.sampled_from([0.0, 1e-8, 0.1]),
        decay,
        st.booleans(),
        st.booleans(),
    ),
}
