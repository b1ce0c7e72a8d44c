"""Which column plays which role: by option, else by the usual names, English and Chinese."""

from __future__ import annotations

import argparse

import pandas as pd

from review.problem import Problem

Roles = dict[str, tuple[str, ...]]

SKU = "sku sku_id stockcode product_id item_id product_code item_code item product asin 商品编码 商品id 货号 商品 产品编码"
TIME = "time timestamp date datetime created_at event_time 时间 日期"
USER = "user user_id customer customer_id visitor_id client_id 用户 用户id 客户 客户id"


def _roles(**names: str) -> Roles:
    return {role: tuple(text.split()) for role, text in names.items()}


ORDERS = _roles(
    order_id="order_id orderid order_no order_number order invoiceno invoice transaction_id transaction 订单号 订单编号 订单id 订单",
    customer="customer_id customer customerno user_id user client_id buyer_id 客户 客户编号 客户id 用户 用户id 买家 买家id 会员id",
    time="invoicedate order_date order_time date time timestamp created_at datetime paid_at 下单时间 付款时间 订单时间 日期 时间",
    sku=SKU,
    quantity="quantity qty units count cds 数量 件数 购买数量",
    price="unitprice unit_price price item_price 单价 价格 成交单价",
    description="description product_name item_name name title 商品名称 名称 标题 描述",
    status="status order_status financial_status 订单状态 状态",
)
REQUIRED = ("order_id", "time", "sku", "quantity", "price")
STOCK = _roles(
    sku=SKU,
    on_hand="on_hand stock in_stock available inventory quantity qty 库存 现货 库存数量 可用库存",
    on_order="on_order ordered incoming in_transit 在途 在途库存",
    lead_time="lead_time lead_time_days lead_days 交期 提前期",
)
COSTS = _roles(sku=SKU, cost="cost unit_cost cost_price purchase_price cogs 成本 成本价 进价 单位成本")
TOUCHES = _roles(
    user=USER,
    time=TIME,
    channel="channel source medium campaign 渠道 来源",
    conversion="conversion converted conversions is_conversion purchase 转化 成交",
    value="value revenue conversion_value amount 金额 成交金额",
)
SPEND = _roles(channel="channel source medium campaign 渠道 来源", spend="spend cost amount budget 花费 消耗 费用")
EXPERIMENT = _roles(unit="unit unit_id " + USER, arm="arm variant variation group bucket test_group 分组 组别 实验组")


def plain(name: str) -> str:
    """Return a name as it is compared: without case, blanks and signs."""
    return "".join(char for char in name.lower() if char.isalnum())


def guess(frame: pd.DataFrame, roles: Roles) -> dict[str, str]:
    """Find the column of each role by its usual names, the most usual first."""
    known = {plain(column): column for column in reversed(list(frame.columns))}
    found: dict[str, str] = {}
    for role, names in roles.items():
        for name in names:
            column = known.get(plain(name))
            if column is not None and column not in found.values():
                found[role] = column
                break
    return found


def of_orders(frame: pd.DataFrame, options: argparse.Namespace) -> dict[str, str]:
    """Find the columns of order lines."""
    given = {role: getattr(options, f"column_{role}", None) for role in ORDERS}
    for role, column in given.items():
        if column is not None and column not in frame.columns:
            raise Problem(f"{option(role)}: there is no column {column!r}; the file has {listed(frame)}")
    named = {role: column for role, column in given.items() if column is not None}
    if len(set(named.values())) < len(named):
        raise Problem(f"two options name the same column: {', '.join(f'{option(r)} {c}' for r, c in named.items())}")
    rest = frame[[column for column in frame.columns if column not in named.values()]]
    found = {**guess(rest, {role: names for role, names in ORDERS.items() if role not in named}), **named}
    missing = [option(role) for role in REQUIRED if role not in found]
    if missing:
        raise Problem(f"cannot tell which columns are meant by {', '.join(missing)}; the file has {listed(frame)}")
    return {role: found[role] for role in ORDERS if role in found}


def of_side(frame: pd.DataFrame, roles: Roles, required: tuple[str, ...], name: str) -> dict[str, str]:
    """Find the columns of another file."""
    found = guess(frame, roles)
    missing = [role for role in required if role not in found]
    if missing:
        raise Problem(f"{name}: the column {missing[0]!r} is missing; the file has {listed(frame)}")
    return found


def option(role: str) -> str:
    """Return the option that names the column of a role."""
    return f"--{role.replace('_', '-')}"


def listed(frame: pd.DataFrame) -> str:
    """Return the columns of a file for a message."""
    names = [str(column) for column in frame.columns]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
