#include "worker/asyncio/handles.h"

#include <structmember.h>

#include <array>
#include <utility>

#include "python/convert.h"
#include "worker/asyncio/loop.h"
#include "worker/asyncio/support.h"
#include "worker/state.h"

namespace worker::asyncio {
namespace {

Handles& handles_of(PyObject* handle) { return State::of_type(Py_TYPE(handle)).asyncio_support->handles; }

PyObject* cancel_method(PyObject* self, PyObject*) {
  return python::guard([&] { return handles_of(self).cancel_ours(self); });
}

PyObject* cancelled_method(PyObject* self, PyObject*) {
  return python::guard([&] { return PyBool_FromLong(handles_of(self).is_cancelled(self)); });
}

PyObject* compare_slot(PyObject* self, PyObject* other, int operation) {
  return python::guard([&] { return handles_of(self).compare(self, other, operation); });
}

// As TimerHandle.__hash__.
Py_hash_t hash_slot(PyObject* self) {
  return python::guard(static_cast<Py_hash_t>(-1), [&] {
    python::Ref when = python::attribute(self, "_when");
    return PyObject_Hash(when.get());
  });
}

void dealloc_slot(PyObject* self) { handles_of(self).dealloc(self); }

PyMethodDef methods[] = {
    {"cancel", cancel_method, METH_NOARGS, nullptr},
    {"cancelled", cancelled_method, METH_NOARGS, nullptr},
    {},
};

PyType_Slot handle_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_slot)},
    {Py_tp_methods, methods},
    {},
};

PyType_Slot timer_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_slot)},
    {Py_tp_methods, methods},
    {Py_tp_richcompare, reinterpret_cast<void*>(compare_slot)},
    {Py_tp_hash, reinterpret_cast<void*>(hash_slot)},
    {},
};

// Garbage collection is inherited: the visit and clear functions of a class with slots walk the slots of its bases.
python::Ref derive(PyObject* module, const char* name, PyTypeObject* base, std::size_t more, PyType_Slot* slots) {
  PyType_Spec spec = {name, static_cast<int>(base->tp_basicsize + static_cast<Py_ssize_t>(more)), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  python::Ref bases = python::checked(PyTuple_Pack(1, base));
  return python::checked(PyType_FromModuleAndSpec(module, &spec, bases.get()));
}

Py_ssize_t offset_of(const python::Ref& type, const char* name) {
  python::Ref member = python::attribute(type.get(), name);
  if (!Py_IS_TYPE(member.get(), &PyMemberDescr_Type)) {
    python::raise(PyExc_RuntimeError, std::string("serai's event loop does not know this version of asyncio: Handle.") +
                                          name + " is no slot; use --loop asyncio");
  }
  return reinterpret_cast<PyMemberDescrObject*>(member.get())->d_member->offset;
}

}  // namespace

Handles::Handles(State& state, PyObject* module)
    : state_(state),
      cancelled_name_(python::interned("_cancelled")),
      when_name_(python::interned("_when")),
      scheduled_name_(python::interned("_scheduled")),
      cancel_name_(python::interned("cancel")) {
  for (auto* spare : {&spare_handles_, &spare_timers_}) spare->reserve(most_spare);  // dealloc must not fail
  python::Ref asyncio = python::import("asyncio");
  base_handle_ = Type(python::attribute(asyncio.get(), "Handle"));
  base_timer_ = Type(python::attribute(asyncio.get(), "TimerHandle"));
  at_ = {.callback = offset_of(base_handle_, "_callback"),
         .arguments = offset_of(base_handle_, "_args"),
         .cancelled = offset_of(base_handle_, "_cancelled"),
         .loop = offset_of(base_handle_, "_loop"),
         .source_traceback = offset_of(base_handle_, "_source_traceback"),
         .repr = offset_of(base_handle_, "_repr"),
         .context = offset_of(base_handle_, "_context"),
         .scheduled = offset_of(base_timer_, "_scheduled"),
         .when = offset_of(base_timer_, "_when")};
  seconds_offset_ = base_timer_.as_type()->tp_basicsize;
  handle_ = Type(derive(module, "serai._engine.Handle", base_handle_.as_type(), 0, handle_slots));
  timer_ = Type(derive(module, "serai._engine.TimerHandle", base_timer_.as_type(), sizeof(double), timer_slots));
}

Handles::~Handles() {
  for (auto* spare : {&spare_handles_, &spare_timers_})
    for (PyObject* memory : std::exchange(*spare, {})) PyObject_GC_Del(memory);
}

// --- making ---------------------------------------------------------------------------------------------------------

PyObject* Handles::allocate(const python::Ref& type, std::vector<PyObject*>& spare) {
  auto* as_type = reinterpret_cast<PyTypeObject*>(type.get());
  if (spare.empty()) return python::checked(PyType_GenericAlloc(as_type, 0)).release();
  PyObject* handle = PyObject_Init(spare.back(), as_type);
  spare.pop_back();
  PyObject_GC_Track(handle);
  return handle;
}

void Handles::fill(PyObject* handle, PyObject* loop, PyObject* callback, python::Ref arguments, python::Ref context) {
  slot(handle, at_.loop) = Py_NewRef(loop);
  slot(handle, at_.callback) = Py_NewRef(callback);
  slot(handle, at_.arguments) = arguments.release();
  slot(handle, at_.context) = context.release();
  slot(handle, at_.cancelled) = Py_NewRef(Py_False);
  slot(handle, at_.repr) = Py_NewRef(Py_None);
  slot(handle, at_.source_traceback) = Py_NewRef(Py_None);
}

python::Ref Handles::make(PyObject* loop, PyObject* callback, python::Ref arguments, python::Ref context) {
  PyObject* handle = allocate(handle_, spare_handles_);
  fill(handle, loop, callback, std::move(arguments), std::move(context));
  return python::Ref::steal(handle);
}

python::Ref Handles::make_timer(PyObject* loop, PyObject* when, double when_seconds, PyObject* callback,
                                python::Ref arguments, python::Ref context) {
  PyObject* handle = allocate(timer_, spare_timers_);
  fill(handle, loop, callback, std::move(arguments), std::move(context));
  slot(handle, at_.when) = Py_NewRef(when);
  slot(handle, at_.scheduled) = Py_NewRef(Py_False);
  seconds(handle) = when_seconds;
  return python::Ref::steal(handle);
}

void Handles::dealloc(PyObject* handle) {
  PyTypeObject* type = Py_TYPE(handle);
  PyObject_GC_UnTrack(handle);
  PyObject_ClearWeakRefs(handle);
  for (Py_ssize_t offset :
       {at_.callback, at_.arguments, at_.context, at_.loop, at_.cancelled, at_.repr, at_.source_traceback}) {
    Py_CLEAR(slot(handle, offset));
  }
  const bool is_timer = is_our_timer(handle);
  if (is_timer) {
    Py_CLEAR(slot(handle, at_.when));
    Py_CLEAR(slot(handle, at_.scheduled));
  }
  auto& spare = is_timer ? spare_timers_ : spare_handles_;
  if (spare.size() < most_spare)
    spare.push_back(handle);
  else
    type->tp_free(handle);
  Py_DECREF(type);
}

// --- reading --------------------------------------------------------------------------------------------------------

bool Handles::is_ours(PyObject* handle) const {
  return Py_TYPE(handle) == handle_.as_type() || Py_TYPE(handle) == timer_.as_type();
}

bool Handles::is_plain(PyObject* handle) const {
  return is_ours(handle) || Py_TYPE(handle) == base_handle_.as_type() || Py_TYPE(handle) == base_timer_.as_type();
}

bool Handles::is_cancelled(PyObject* handle) const {
  if (is_plain(handle)) return slot(handle, at_.cancelled) == Py_True;
  python::Ref cancelled = python::attribute(handle, cancelled_name_.get());
  int is_true = PyObject_IsTrue(cancelled.get());
  python::checked(is_true);
  return is_true != 0;
}

double Handles::when(PyObject* handle) const {
  if (is_our_timer(handle)) return seconds(handle);
  python::Ref when = python::attribute(handle, when_name_.get());
  double found = PyFloat_AsDouble(when.get());
  if (found == -1 && PyErr_Occurred()) python::rethrow();
  return found;
}

void Handles::set_scheduled(PyObject* handle, bool scheduled) const {
  PyObject* value = scheduled ? Py_True : Py_False;
  if (is_our_timer(handle)) {
    Py_XSETREF(slot(handle, at_.scheduled), Py_NewRef(value));
    return;
  }
  python::checked(PyObject_SetAttr(handle, scheduled_name_.get(), value));
}

void Handles::cancel(PyObject* handle) const { python::call_method(handle, cancel_name_.get()); }

// --- our types' methods ---------------------------------------------------------------------------------------------

PyObject* Handles::cancel_ours(PyObject* handle) const {
  if (slot(handle, at_.cancelled) == Py_True) return Py_NewRef(Py_None);
  Loop* loop = Loop::of(state_, slot(handle, at_.loop));
  const bool is_timer = is_our_timer(handle);
  if (!loop || loop->is_debugged()) {  // asyncio's own method keeps a description of the handle
    python::Ref method = python::attribute((is_timer ? base_timer_ : base_handle_).get(), cancel_name_.get());
    return python::call(method.get(), handle).release();
  }
  if (is_timer && slot(handle, at_.scheduled) == Py_True) loop->note_cancelled_timer();
  Py_XSETREF(slot(handle, at_.cancelled), Py_NewRef(Py_True));
  // The last: they may run Python code.
  python::Ref callback = python::Ref::steal(std::exchange(slot(handle, at_.callback), Py_NewRef(Py_None)));
  python::Ref arguments = python::Ref::steal(std::exchange(slot(handle, at_.arguments), Py_NewRef(Py_None)));
  return Py_NewRef(Py_None);
}

PyObject* Handles::compare(PyObject* timer, PyObject* other, int operation) const {
  if (is_our_timer(other)) {
    if (operation == Py_LT) return PyBool_FromLong(seconds(timer) < seconds(other));
    if (operation == Py_GT) return PyBool_FromLong(seconds(timer) > seconds(other));
  }
  constexpr std::array names = {"__lt__", "__le__", "__eq__", "__ne__", "__gt__", "__ge__"};
  python::Ref method = python::attribute(base_timer_.get(), names[static_cast<std::size_t>(operation)]);
  return python::call(method.get(), timer, other).release();
}

}  // namespace worker::asyncio
