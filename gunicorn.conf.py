"""How the web server runs in production; command-line options override it."""

import os

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 8
# A refund waits for Stripe at most this long; a stopping server lets it finish.
timeout = graceful_timeout = 90
control_socket_disable = True
accesslog = "-"
# No query string: searches hold names and addresses of people.
access_log_format = "%(t)s %(m)s %(U)s %(s)s %(B)s %(M)sms"
