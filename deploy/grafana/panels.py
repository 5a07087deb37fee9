"""What dashboards are made of: panels that all have a meaning, a unit and a link to the runbook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

Query = tuple[str, str]
"""An expression and its legend."""

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
WORKER = '{job="$job",instance=~"$instance"}'
MODEL = '{job="$job",model=~"$model"}'


def query(expr: str, legend: str, *, at: int, now: bool = False, form: Any = None) -> Any:
    """Return one query of a panel; `now` asks for the last value alone."""
    made = prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(chr(65 + at))
    made = made.datasource(SOURCE)
    if now:
        made = made.instant()
    if form is not None:
        made = made.format(form)
    return made


def finish(
    panel: Any,
    title: str,
    about: str,
    unit: str,
    queries: Sequence[Query],
    *,
    alert: str | None = None,
    **more: Any,
) -> Any:
    """Give a panel what every one has: a title, a meaning, a unit, queries, and where to read on."""
    panel = panel.title(title).description(about).unit(unit).datasource(SOURCE)
    for at, (expr, legend) in enumerate(queries):
        panel = panel.with_target(query(expr, legend, at=at, **more))
    if alert is not None:
        link = board.DashboardLink(f"What to do: {alert}").url(f"${{runbook}}#{alert.lower()}")
        panel = panel.links([link.target_blank(True)])
    return panel


def lines(
    title: str, about: str, unit: str, *queries: Query, alert: str | None = None, width: int = 12
) -> Any:
    """Return a panel of lines over time."""
    panel = timeseries.Panel().height(8).span(width).min(0)
    legend = VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM)
    panel = panel.legend(legend.display_mode(LegendDisplayMode.LIST).calcs([]))
    panel = panel.tooltip(
        VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    )
    return finish(panel, title, about, unit, queries, alert=alert)


def number(
    title: str,
    about: str,
    unit: str,
    expr: str,
    *,
    alert: str | None = None,
    bad: float | None = None,
    bad_below: bool = False,
) -> Any:
    """Return a panel of one number, red from `bad` on (or below it)."""
    panel = stat.Panel().height(4).span(4)
    panel = panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    if bad is not None:
        first, second = ("red", "green") if bad_below else ("green", "red")
        steps = [model.Threshold(value=0, color=first), model.Threshold(value=bad, color=second)]
        panel = panel.thresholds(
            board.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)
        )
    return finish(panel, title, about, unit, [(expr, "")], alert=alert)


def waves(title: str, about: str, unit: str, expr: str, *, alert: str | None = None) -> Any:
    """Return a panel of a histogram over time."""
    panel = heatmap.Panel().height(8).span(12).calculate(False)
    panel = panel.y_axis(heatmap.YAxisConfig().unit(unit))
    return finish(
        panel, title, about, unit, [(expr, "{{le}}")], alert=alert, form=PromQueryFormat.HEATMAP
    )


def rows(title: str, about: str, unit: str, *queries: Query, alert: str | None = None) -> Any:
    """Return a table with a column for each query."""
    panel = table.Panel().height(10).span(24).show_header(True)
    names = {f"Value #{chr(65 + at)}": legend for at, (_, legend) in enumerate(queries)}
    merged = model.DataTransformerConfig(id_val="merge", options={})
    named = {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names}
    organized = model.DataTransformerConfig(id_val="organize", options=named)
    panel = panel.transformations([merged, organized])
    return finish(
        panel, title, about, unit, queries, alert=alert, now=True, form=PromQueryFormat.TABLE
    )


def frame(title: str, uid: str, about: str, beside: str) -> Any:
    """Return a dashboard without panels: its name, its links, its variables."""
    made = board.Dashboard(title).uid(uid).description(about).tags(["driftline"]).refresh("30s")
    made = made.time("now-6h", "now").timezone("browser").editable()
    link = board.DashboardLink(beside).type(model.DashboardLinkType.DASHBOARDS).tags(["driftline"])
    made = made.link(link.keep_time(True).include_vars(True).as_dropdown(False))
    made = made.with_variable(
        board.DatasourceVariable("datasource").label("Data source").type("prometheus")
    )
    made = made.with_variable(choice("job", "Job", "label_values(driftline_build_info, job)"))
    runbook = (
        board.TextBoxVariable("runbook")
        .label("Runbook")
        .default_value("/public/driftline/runbook.md")
    )
    return made.with_variable(
        runbook.description("Where deploy/runbook.md is served").hide(
            model.VariableHide.HIDE_VARIABLE
        )
    )


def choice(name: str, label: str, asked: str, *, many: bool = False) -> Any:
    """Return a variable that is chosen from a label's values."""
    made = board.QueryVariable(name).label(label).datasource(SOURCE).query(asked)
    made = made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
    made = made.sort(model.VariableSort.ALPHABETICAL_ASC)
    return made.multi(True).include_all(True).all_value(".*") if many else made
