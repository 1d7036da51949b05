from django.contrib import admin

from .models import Comment, Picture


class CommentInline(admin.TabularInline):
    model = Comment
    extra = 0


@admin.register(Picture)
class PictureAdmin(admin.ModelAdmin):
    list_display = ["title", "owner", "created", "digest"]
    list_filter = ["owner"]
    search_fields = ["title"]
    readonly_fields = ["digest"]
    inlines = [CommentInline]
