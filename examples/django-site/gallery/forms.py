from django import forms

from .models import Comment, Picture


class PictureForm(forms.ModelForm):
    class Meta:
        model = Picture
        fields = ["title", "file"]


class CommentForm(forms.ModelForm):
    class Meta:
        model = Comment
        fields = ["text"]
        widgets = {"text": forms.Textarea(attrs={"rows": 3})}
