/**
 * What the page says, in both languages. A person reads it who knows WhatsApp and nothing of this service.
 * In the steps, [brackets] hold what stands so in WhatsApp's own menus.
 */

const pt = {
  title: "Vincular o WhatsApp · Vigia",
  titleDone: "WhatsApp conectado · Vigia",
  titleOver: "Vincular o WhatsApp · código encerrado",
  languages: "Idioma",
  heading: "Vincular o WhatsApp",
  name: (name) => `Conexão: ${name}`,
  way: "Como vincular",
  byScan: "Ler QR code",
  byCode: "Usar código",
  whichPhone: "Modelo do celular",
  how: "No celular, faça assim",
  safety: "Isto vincula um novo dispositivo ao seu WhatsApp, como o WhatsApp Web. Você pode removê-lo a qualquer momento em Dispositivos conectados.",

  qr: "QR code: aponte para ele a câmera do WhatsApp, em Dispositivos conectados.",
  scanLeft: (s) => `O código muda sozinho em ${seconds(s, "pt")}.`,
  scanNext: "Trocando o código…",
  samePhone: "Está vendo esta página no próprio celular do WhatsApp?",
  useCode: "Gere um código para digitar",

  number: "Número do WhatsApp, com DDD",
  numberHint: "Por exemplo: (11) 98765-4321. De outro país, comece com + e o código do país.",
  getCode: "Gerar código",
  getAnother: "Gerar outro código",
  gettingCode: "Gerando o código…",
  yourCode: "Digite este código no WhatsApp:",
  typedLeft: (s) => `Vale por mais ${seconds(s, "pt")}.`,
  typedOver: "Este código venceu: gere outro.",
  copy: "Copiar",
  copied: "Copiado",
  letters: (code) => `Código: ${code}`,
  wrong: {
    empty: "Escreva o número do WhatsApp que vai ser vinculado.",
    not_an_address: "Este número não parece completo. Escreva com DDD, por exemplo (11) 98765-4321.",
    busy: "Muitos códigos foram pedidos agora: espere alguns minutos, ou leia o QR code.",
    refused: "O WhatsApp não gerou um código para este número. Confira o número, ou leia o QR code.",
    link: "Este link não vale mais.",
    other: "O código não veio desta vez. Tente de novo em alguns segundos.",
    unreachable: "O serviço não respondeu. Confira a internet e tente de novo.",
  },

  steps: {
    "android-menu": "Abra o WhatsApp e toque em [⋮] (mais opções), no alto à direita.",
    "android-devices": "Toque em [Dispositivos conectados].",
    "iphone-settings": "Abra o WhatsApp e toque na última aba, embaixo à direita ([Configurações]).",
    "iphone-devices": "Toque em [Dispositivos conectados].",
    "link-button": "Toque em [Conectar dispositivo] e confirme que é você.",
    aim: "Aponte a câmera para o QR code desta página.",
    "type-code": "Toque em [Conectar com número de telefone] e digite o código desta página.",
  },

  preparing: ["Preparando o código…", "Isto leva alguns segundos."],
  linkingNow: ["Celular vinculado!", "Preparando a conexão. Deixe o WhatsApp aberto no celular por um instante."],
  done: ["Tudo certo: WhatsApp conectado", "Você já pode fechar esta página."],
  already: ["Este WhatsApp já está conectado", "Não é preciso fazer nada. Você já pode fechar esta página."],
  held: ["Um celular já está vinculado", "Neste momento a conexão não está ativa."],
  heldMore: "Esta página avisa assim que ela voltar. Se demorar, fale com quem enviou o link.",

  over: {
    pairing_ended: ["O tempo para ler o código acabou", "Sem problema: peça um novo quando o celular estiver à mão."],
    passkey_required: [
      "Esta conta pede uma chave de acesso (passkey)",
      "O WhatsApp só deixa vincular esta conta com uma passkey, o que ainda não é possível aqui. Você pode tentar com outra conta.",
    ],
    outdated: [
      "Este serviço precisa ser atualizado",
      "O WhatsApp não aceita mais esta versão. Avise quem enviou o link: do seu lado está tudo certo.",
    ],
    whatsapp_unreachable: ["O WhatsApp não respondeu", "O serviço não conseguiu falar com o WhatsApp agora. Tente de novo em um minuto."],
    fault: ["Algo deu errado do nosso lado", "Tente de novo. Se continuar, avise quem enviou o link."],
  },
  again: "Mostrar um novo código",
  tryAgain: "Tentar de novo",
  link: ["Este link não vale mais", "Links duram pouco, por segurança. Peça um novo a quem enviou este."],

  waiting: {
    busy: ["Muitas pessoas estão vinculando agora", "Deixe esta página aberta: o código aparece assim que houver lugar."],
    disk_full: ["O serviço está sem espaço em disco", "Avise quem enviou o link. Esta página continua sozinha quando houver espaço."],
    other: ["O serviço está se preparando", "Deixe esta página aberta: ela tenta de novo sozinha."],
  },

  awayUnreachable: "Sem contato com o serviço. Tentando de novo sozinho…",
  awayBusy: "Esta página está aberta em muitos lugares. Feche as outras: esta continua sozinha.",
  loggedOut: "O celular removeu a conexão anterior. Vincule de novo para voltar a receber mensagens aqui.",
  reachable: "O contato com o serviço voltou.",
};

const en = {
  title: "Link WhatsApp · Vigia",
  titleDone: "WhatsApp connected · Vigia",
  titleOver: "Link WhatsApp · the code has ended",
  languages: "Language",
  heading: "Link WhatsApp",
  name: (name) => `Connection: ${name}`,
  way: "How to link",
  byScan: "Scan QR code",
  byCode: "Use a code",
  whichPhone: "Kind of phone",
  how: "On your phone",
  safety: "This links a new device to your WhatsApp, as WhatsApp Web does. You can remove it at any time under Linked devices.",

  qr: "QR code: point WhatsApp's camera at it, under Linked devices.",
  scanLeft: (s) => `The code changes by itself in ${seconds(s, "en")}.`,
  scanNext: "Changing the code…",
  samePhone: "Is this page open on the very phone that has WhatsApp?",
  useCode: "Get a code to type",

  number: "WhatsApp number, with area code",
  numberHint: "For example +1 212 555 0123: begin with + and the country code. Without them it is taken as Brazilian.",
  getCode: "Get a code",
  getAnother: "Get another code",
  gettingCode: "Getting the code…",
  yourCode: "Type this code into WhatsApp:",
  typedLeft: (s) => `Valid for another ${seconds(s, "en")}.`,
  typedOver: "This code has expired: get another.",
  copy: "Copy",
  copied: "Copied",
  letters: (code) => `Code: ${code}`,
  wrong: {
    empty: "Write the number of the WhatsApp account to link.",
    not_an_address: "This number does not look complete. Write it with its country code, for example +1 212 555 0123.",
    busy: "Too many codes were asked for just now: wait a few minutes, or scan the QR code.",
    refused: "WhatsApp gave no code for this number. Check the number, or scan the QR code.",
    link: "This link is not valid any more.",
    other: "The code did not come this time. Try again in a few seconds.",
    unreachable: "The service did not answer. Check your internet connection and try again.",
  },

  steps: {
    "android-menu": "Open WhatsApp and tap [⋮] (more options), at the top right.",
    "android-devices": "Tap [Linked devices].",
    "iphone-settings": "Open WhatsApp and tap the last tab, at the bottom right ([Settings]).",
    "iphone-devices": "Tap [Linked devices].",
    "link-button": "Tap [Link a device], and confirm that it is you.",
    aim: "Point the camera at the QR code on this page.",
    "type-code": "Tap [Link with phone number], and type the code from this page.",
  },

  preparing: ["Getting the code ready…", "This takes a few seconds."],
  linkingNow: ["Phone linked!", "Getting the connection ready. Leave WhatsApp open on the phone for a moment."],
  done: ["All done: WhatsApp is connected", "You can close this page now."],
  already: ["This WhatsApp is connected already", "There is nothing left to do. You can close this page."],
  held: ["A phone is linked already", "Just now its connection is not active."],
  heldMore: "This page tells you as soon as it is back. If that takes long, ask whoever sent you the link.",

  over: {
    pairing_ended: ["The time to scan the code is over", "No harm done: ask for a new one when the phone is at hand."],
    passkey_required: [
      "This account asks for a passkey",
      "WhatsApp lets this account be linked only with a passkey, which is not possible here yet. You can try with another account.",
    ],
    outdated: [
      "This service needs an update",
      "WhatsApp does not accept this version any more. Tell whoever sent you the link: nothing is wrong on your side.",
    ],
    whatsapp_unreachable: ["WhatsApp did not answer", "The service could not reach WhatsApp just now. Try again in a minute."],
    fault: ["Something went wrong on our side", "Try again. If it stays, tell whoever sent you the link."],
  },
  again: "Show a new code",
  tryAgain: "Try again",
  link: ["This link is not valid any more", "Links last only a short time, for safety. Ask whoever sent it for a new one."],

  waiting: {
    busy: ["Many people are linking just now", "Leave this page open: the code appears as soon as there is room."],
    disk_full: ["The service is out of disk space", "Tell whoever sent you the link. This page goes on by itself once there is space."],
    other: ["The service is getting ready", "Leave this page open: it tries again by itself."],
  },

  awayUnreachable: "The service does not answer. Trying again by itself…",
  awayBusy: "This page is open in too many places. Close the others: this one goes on by itself.",
  loggedOut: "The phone removed the connection of before. Link it again to receive messages here.",
  reachable: "The service answers again.",
};

function seconds(s, language) {
  const [minutes, rest] = [Math.floor(s / 60), s % 60];
  const unit = language === "pt" ? ["minuto", "segundo"] : ["minute", "second"];
  const part = (count, word) => (count ? [`${count} ${word}${count === 1 ? "" : "s"}`] : []);
  const parts = [...part(minutes, unit[0]), ...part(rest, unit[1])];
  return parts.join(language === "pt" ? " e " : " and ") || `0 ${unit[1]}s`;
}

export const words = { pt, en };
