// The files of a drop, also those in folders, with their paths.

/** @returns {Promise<{ name: string, file: File }[]>} */
export async function droppedFiles(transfer) {
  const roots = [...transfer.items].filter((item) => item.kind === 'file').map((item) => item.webkitGetAsEntry?.());
  if (roots.some((root) => !root)) return [...transfer.files].map((file) => ({ name: file.name, file }));
  const all = [];
  for (const root of roots) await walk(root, '', all);
  return all;
}

async function walk(entry, prefix, all) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    all.push({ name: prefix + entry.name, file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives a part of a folder at a time.
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return;
    for (const child of part) await walk(child, `${prefix}${entry.name}/`, all);
  }
}

/** The files of an `<input type="file">`. */
export const chosenFiles = (input) => [...input.files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));
