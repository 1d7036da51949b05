from django.urls import path

from . import views

app_name = "gallery"
urlpatterns = [
    path("", views.index, name="index"),
    path("pictures/new/", views.upload, name="upload"),
    path("pictures/<int:pk>/", views.picture, name="picture"),
]
