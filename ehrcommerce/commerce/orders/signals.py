"""What orders tell rooms above, inside the transaction of the act. Receivers write rows and plan effects; they call
nobody.

authorized(order, at)                 the money is promised, or nothing is due: fulfillment begins
cancel_wanted(order, reason, by, at)  stop what can be stopped
stopped(order, reason, at)            the chart changed before the capture: stop what can be stopped
money_moved(order, code, at)          captured, voided, refunded: the patient is told"""

from django.dispatch import Signal

authorized = Signal()
cancel_wanted = Signal()
stopped = Signal()
money_moved = Signal()
