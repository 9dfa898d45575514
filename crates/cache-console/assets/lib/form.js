// What was put into a form.

/** A text as it was typed. @param {FormData} form @param {string} name */
export const typed = (form, name) => String(form.get(name) ?? '');

/** A name, without blanks around it. @param {FormData} form @param {string} name */
export const named = (form, name) => typed(form, name).trim();

/** A file; `null` when none was chosen. @param {FormData} form @param {string} name */
export function chosen(form, name) {
  const file = form.get(name);
  return file instanceof File && file.size ? file : null;
}
