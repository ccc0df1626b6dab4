// Numbers and feature maps, as they are shown.

/** A number with three digits. */
export function short(x) {
  if (x === null || x === undefined) return "–";
  if (x === 0) return "0";
  const size = Math.abs(x);
  return size >= 0.001 && size < 10000 ? String(Number(x.toPrecision(3))) : x.toExponential(1);
}

export const percent = (x) => (x === null || x === undefined ? "–" : `${x.toFixed(1)} %`);

/** The maps of a message, each as the bytes of its pixels. */
export function pixels(maps) {
  const [n, height, width] = maps.shape;
  const bytes = Uint8Array.from(atob(maps.data), (c) => c.charCodeAt(0));
  return Array.from({ length: n }, (_, k) => ({ height, width, bytes: bytes.subarray(k * height * width, (k + 1) * height * width) }));
}

/** Draw maps into one canvas, so many in a row. */
export function drawMaps(canvas, maps, columns) {
  if (!maps.length) return;
  const { height, width } = maps[0];
  const rows = Math.ceil(maps.length / columns);
  if (canvas.width !== width * columns || canvas.height !== height * rows) {
    canvas.width = width * columns;
    canvas.height = height * rows;
  }
  const context = canvas.getContext("2d");
  maps.forEach((map, k) => {
    const image = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const value = 18 + (map.bytes[i] * 232) / 255;
      image.data.set([value, value, value, 255], 4 * i);
    }
    context.putImageData(image, (k % columns) * width, Math.floor(k / columns) * height);
  });
}
