"""What makes the inductive miner faster finds what pm4py finds, on random paths of several shapes."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from journeymining.discovery.inductive import (
    exclusive_groups,
    parallel_groups,
    project_paths,
    steps_without_each,
    transitive_relations,
)
from journeymining.discovery.process_models import count_steps, inductive_tree
from tests.discovery.test_process_models import in_order

pytestmark = pytest.mark.filterwarnings("ignore")


def random_variants(seed):
    """Return paths that are chaotic, nearly in sequence, or made of shuffled blocks that repeat."""
    rng = random.Random(seed)
    names = "abcdefghijkl"[: rng.choice([2, 3, 5, 8, 12])]
    weights = [rng.random() ** 2 + 0.01 for _ in names]
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]

    def path():
        if seed % 3 == 0:
            return rng.choices(names, weights, k=rng.randrange(9))
        if seed % 3 == 1:
            return [name for name in names if rng.random() < 0.8]
        blocks = [rng.choice(halves) for _ in range(rng.randrange(1, 4))]
        return [name for block in blocks for name in rng.sample(block, rng.randrange(1, len(block) + 1))]

    return Counter({tuple(path()): rng.randrange(1, 30) for _ in range(rng.choice([3, 10, 40]))})


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_trees_are_those_of_pm4py(noise):
    from pm4py.algo.discovery.inductive.dtypes.im_ds import IMDataStructureUVCL
    from pm4py.algo.discovery.inductive.variants.im import IMUVCL
    from pm4py.algo.discovery.inductive.variants.imf import IMFUVCL
    from pm4py.objects.process_tree.utils import generic

    parameters = {"noise_threshold": noise}
    operators = set()
    for seed in range(90):
        variants = random_variants(seed)
        miner = (IMFUVCL if noise else IMUVCL)(parameters)
        theirs = generic.fold(miner.apply(IMDataStructureUVCL(variants), parameters))
        generic.tree_sort(theirs)

        ours = in_order(inductive_tree(variants, noise))

        assert ours == in_order(theirs), seed
        operators |= {operator for operator in ("+(", "X(", "*(", "->(") if operator in ours}
    assert len(operators) == 4


def test_cuts_are_those_of_pm4py():
    from pm4py.algo.discovery.inductive.cuts.concurrency import ConcurrencyCutUVCL
    from pm4py.algo.discovery.inductive.cuts.xor import ExclusiveChoiceCutUVCL
    from pm4py.algo.discovery.inductive.dtypes.im_ds import IMDataStructureUVCL
    from pm4py.objects.dfg.util import get_transitive_relations

    found = 0
    for seed in range(90):
        variants = random_variants(seed)
        log = IMDataStructureUVCL(variants)

        assert transitive_relations(log.dfg) == get_transitive_relations(log.dfg)
        assert exclusive_groups(log.dfg) == ExclusiveChoiceCutUVCL.holds(log)
        groups = ConcurrencyCutUVCL.holds(log)
        assert parallel_groups(log.dfg) == groups
        for group, part in zip(groups or [], ConcurrencyCutUVCL.project(log, groups) if groups else [], strict=True):
            assert project_paths(variants, group) == part.data_structure
            found += 1
    assert found


def test_steps_without_an_activity_are_those_of_the_paths_without_it():
    for seed in range(60):
        variants = random_variants(seed)
        names = sorted({name for path in variants for name in path})

        found = {name: edges for name, *edges in steps_without_each(variants, count_steps(variants))}

        assert list(found) == names
        for name, edges in found.items():
            steps = count_steps(project_paths(variants, set(names) - {name}))
            assert edges == [set(steps.graph), set(steps.start_activities), set(steps.end_activities)]


def test_pm4py_is_as_before_afterwards():
    from pm4py.algo.discovery.inductive.cuts import concurrency, xor
    from pm4py.algo.discovery.inductive.fall_through import activity_concurrent
    from pm4py.objects.dfg import util as graphs
    from pm4py.util.compression import util

    owners = [
        concurrency.ConcurrencyCutUVCL,
        xor.ExclusiveChoiceCutUVCL,
        activity_concurrent.ActivityConcurrentUVCL,
        graphs,
        util,
    ]
    before = [dict(vars(owner)) for owner in owners]

    inductive_tree(random_variants(2), 0.0)
    with pytest.raises(AttributeError):
        inductive_tree(None, 0.0)

    assert [dict(vars(owner)) for owner in owners] == before
