"""A template of ten rows behind Django's usual middleware, in one file."""

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

TEMPLATE = "<ul>{% for row in rows %}<li>{{ row.0 }}: {{ row.1 }}</li>{% endfor %}</ul>"

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret: there are no sessions",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"rows.html": TEMPLATE})]},
        }
    ],
)
django.setup()


def index(request: HttpRequest) -> HttpResponse:
    return render(request, "rows.html", {"rows": [(number, f"row <{number}>") for number in range(10)]})


urlpatterns = [path("", index)]
app = get_wsgi_application()
asgi = get_asgi_application()
