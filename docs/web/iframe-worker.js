// The search of pages that are opened as files, for which browsers start no Worker: its script runs in
// a hidden frame instead. The site builder would otherwise load such a script from the network.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.answer = (sent) => {
        const event = new MessageEvent("message", { data: structuredClone(sent) });
        setTimeout(() => this.onmessage?.(event));
      };
      this.ready = new Promise((resolve) => (this.frame.onload = resolve));
      const answer = "self.postMessage = (data) => frameElement.answer(data);";
      this.frame.srcdoc = `<script>${answer}</script><script src="${url}"></script>`;
      document.body.append(this.frame);
    }

    postMessage(sent) {
      this.ready.then(() => {
        const { MessageEvent, structuredClone } = this.frame.contentWindow;
        const event = new MessageEvent("message", { data: structuredClone(sent) });
        this.frame.contentWindow.dispatchEvent(event);
      });
    }

    terminate() {
      this.frame.remove();
    }
  };
}
