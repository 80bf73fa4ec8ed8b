"""Prices an order, in either way of writing an amount, and takes nothing for free."""


def lambda_handler(event, context):
    amount = float(str(event["amount"]).replace(",", "."))
    price = amount / max(event["quantity"], 1)
    customer = event["customer"]["name"]
    print(f"order {event['order']} handled: {customer} pays {price:.2f} each")
    return {"order": event["order"], "each": round(price, 2)}
