"""Every decoder that reads bytes from outside, by name."""

from tests.fuzzing.targets import files, identities, merging, messages, numbers, states

TARGETS = {
    target.name: target
    for target in (
        *numbers.TARGETS,
        *files.TARGETS,
        *states.TARGETS,
        *messages.TARGETS,
        *merging.TARGETS,
        *identities.TARGETS,
    )
}
