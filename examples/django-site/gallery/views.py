from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from .forms import CommentForm, PictureForm
from .models import Picture


def index(request: HttpRequest) -> HttpResponse:
    visits = request.session["visits"] = request.session.get("visits", 0) + 1
    pictures = Picture.objects.select_related("owner")[:50]
    return render(request, "gallery/index.html", {"pictures": pictures, "visits": visits})


@login_required
def upload(request: HttpRequest) -> HttpResponse:
    form = PictureForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        form.instance.owner = request.user
        return redirect(form.save())
    return render(request, "gallery/upload.html", {"form": form})


def picture(request: HttpRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(Picture.objects.select_related("owner"), pk=pk)
    form = CommentForm(request.POST or None)
    if request.method == "POST":
        if not request.user.is_authenticated:
            return redirect_to_login(request.path)
        if form.is_valid():
            form.instance.picture = shown
            form.instance.author = request.user
            form.save()
            return redirect(shown)
    comments = shown.comments.select_related("author")
    return render(request, "gallery/picture.html", {"picture": shown, "comments": comments, "form": form})
