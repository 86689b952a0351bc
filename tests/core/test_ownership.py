"""Whose the target is."""

from __future__ import annotations

import pytest

from prunella.core.facts import UNKNOWN, NamespaceFacts
from prunella.core.world import NOT_A_WORKLOAD

from .incident_builders import Story, alerted, entry, healing_policy, ladder, watched, workload

LABELLED = NamespaceFacts(name="shop", labels={"prunella.dev/team": "shop"})
BARE = NamespaceFacts(name="shop", labels={})
FALLBACK = ladder(name="fallback", namespace="prunella-system")


def story(**shows) -> Story:
    made = Story(watched()).shows(namespace=BARE, entries=(), escalation_policies=(ladder(), FALLBACK), policy=healing_policy(default="fallback"))
    made.shows(**shows).at(0)
    return made


def policy(made: Story) -> str | None:
    ref = made.owner.escalation_policy_ref
    return f"{ref.namespace}/{ref.name}" if ref else None


@pytest.mark.parametrize(
    ("shows", "team", "policy_ref", "path"),
    [
        ({"entries": (entry(),)}, "shop", "shop/shop", "CatalogEntry shop/checkout"),
        (
            {"entries": (entry(), entry("other", labels={"app": "x"}, team="pay")), "target": workload(annotations={"prunella.dev/entry": "other"})},
            "pay",
            "shop/shop",
            "CatalogEntry shop/other (annotation prunella.dev/entry)",
        ),
        (
            {"entries": (entry(),), "target": workload(annotations={"prunella.dev/entry": "gone"})},
            "shop",
            "shop/shop",
            "CatalogEntry shop/checkout (its annotation prunella.dev/entry names gone, which is not there)",
        ),
        ({"namespace": LABELLED}, "shop", "shop/shop", "namespace label prunella.dev/team=shop"),
        ({"namespace": LABELLED, "entries": (entry(policy=None, team="web"),)}, "web", "shop/shop", "CatalogEntry shop/checkout"),
        ({}, None, "prunella-system/fallback", "HealingPolicy default"),
        ({"policy": healing_policy()}, None, None, "nobody: no CatalogEntry, label or default"),
        (
            {"entries": (entry(policy="gone"),)},
            "shop",
            "prunella-system/fallback",
            (
                "CatalogEntry shop/checkout; CatalogEntry checkout asks for EscalationPolicy shop/gone, which is not there; "
                "EscalationPolicy of HealingPolicy default"
            ),
        ),
        (
            {"namespace": NamespaceFacts(name="shop", labels={"prunella.dev/team": "ghost"})},
            "ghost",
            "prunella-system/fallback",
            (
                "namespace label prunella.dev/team=ghost; label prunella.dev/team asks for EscalationPolicy shop/ghost, which is not there; "
                "EscalationPolicy of HealingPolicy default"
            ),
        ),
    ],
    ids=[
        "entry",
        "annotation",
        "annotation to nowhere",
        "namespace label",
        "entry without policy",
        "default",
        "nobody",
        "policy gone",
        "label to nowhere",
    ],
)
def test_the_first_path_that_leads_to_an_owner_is_taken_and_written_down(shows, team, policy_ref, path):
    made = story(**shows)
    assert (made.owner.team, policy(made), made.owner.resolved_by) == (team, policy_ref, path)


@pytest.mark.parametrize(
    ("entries", "chosen", "said"),
    [
        ((entry("a"), entry("b", labels={"app": "checkout", "track": "x"})), "b", " (also fits: a; b names the most labels)"),
        ((entry("b"), entry("a")), "a", " (also fits: b; a comes first by name)"),
        ((entry("a", labels={"app": "other"}), entry("b")), "b", ""),
    ],
    ids=["the most specific", "a tie", "one does not fit"],
)
def test_of_several_entries_one_is_chosen_by_a_rule_that_is_said(entries, chosen, said):
    made = story(entries=entries, target=workload(labels={"app": "checkout", "track": "x"}))
    assert made.owner.resolved_by == f"CatalogEntry shop/{chosen}{said}"


def test_c35_an_unknown_owner_is_a_condition_that_says_how_to_become_known():
    made = story()
    assert made.condition("OwnerUnknown") == ("True", "OwnerUnknown")
    assert "kubectl label namespace shop prunella.dev/team=<team>" in made.says_condition("OwnerUnknown")
    made.shows(namespace=LABELLED).at(5)
    assert made.condition("OwnerUnknown") == ("", "")
    assert made.message("OwnerChanged") == "nobody -> shop (namespace label prunella.dev/team=shop)"


@pytest.mark.parametrize("hidden", [{"target": UNKNOWN}, {"namespace": UNKNOWN}], ids=["target", "namespace"])
def test_what_cannot_be_read_changes_no_owner_that_is_known(hidden):
    made = story(entries=(entry(),), namespace=LABELLED)
    made.shows(entries=(), **hidden).at(5)
    assert made.owner.team == "shop"


def test_a_policy_that_cannot_be_read_keeps_the_default_that_was_known():
    made = story()
    made.shows(policy=UNKNOWN).at(5)
    assert policy(made) == "prunella-system/fallback"


def test_an_alert_that_stands_for_itself_is_its_namespaces():
    made = Story(alerted()).shows(finding=None, target=NOT_A_WORKLOAD, namespace=LABELLED)
    made.at(0)
    assert (made.owner.team, made.owner.resolved_by) == ("shop", "namespace label prunella.dev/team=shop")


def test_the_tier_of_the_entry_is_kept():
    assert story(entries=(entry(tier=1),)).owner.tier == 1
