// Every word of the page in two languages: [English, 简体中文].

const WORDS = {
  skip: ["Skip to the explanations", "跳到说明"],
  tagline: ["Every message finds its phone. See how, and why.", "每条消息都能找到手机：看它怎么到，为什么到。"],
  connecting: ["connecting…", "连接中…"],
  live: ["live", "实时"],
  lost: ["connection lost: is the demo still running?", "连接已断开：演示还在运行吗？"],
  // phones
  phoneOf: ["%s’s phone", "%s的手机"],
  settings: ["Settings of the phone", "手机设置"],
  phoneAndApp: ["Phone and app", "手机与应用"],
  make: ["Phone", "手机品牌"],
  foreground: ["connected, app in the foreground", "在线，应用在前台"],
  background: ["connected, app in the background", "在线，应用在后台"],
  away: ["logged in, not connected", "已登录，未连接"],
  loggedOut: ["not logged in", "未登录"],
  notInstalled: ["app uninstalled", "应用已卸载"],
  airplaneOn: ["airplane mode", "飞行模式"],
  lock: ["Lock", "锁屏"],
  unlock: ["Unlock", "解锁"],
  home: ["Home", "回到桌面"],
  open: ["Open the app", "打开应用"],
  kill: ["Kill the app", "杀掉应用"],
  logOut: ["Log out", "退出登录"],
  logIn: ["Log in as %s", "以 %s 登录"],
  account: ["Account", "账号"],
  nobody: ["(nobody)", "（未登录）"],
  elsewhere: ["Log in elsewhere", "在别处登录"],
  elsewhereHelp: ["The same account logs in on another phone: this one is kicked", "同一账号在另一部手机登录，这部手机被踢下线"],
  notifications: ["Notifications", "允许通知"],
  airplane: ["Airplane mode", "飞行模式"],
  installed: ["App installed", "已安装应用"],
  swipe: ["Tap a notification to open it", "点击通知即可打开"],
  noNotifications: ["No notifications", "没有通知"],
  notificationFrom: ["Notification: %s: %s", "通知：%s：%s"],
  hidden: ["New notification", "新通知"],
  badge: ["%s unread", "%s 条未读"],
  chats: ["Chats", "聊天"],
  noChats: ["No chat yet. Write something below.", "还没有聊天，在下面写一条消息吧。"],
  back: ["Back to the chats", "返回聊天列表"],
  chatWith: ["Chat with %s", "与 %s 的聊天"],
  chooseAccount: ["Who is it?", "请选择账号"],
  kicked: ["You were logged in on another phone.", "你的账号已在另一部手机登录。"],
  revoked: ["Your logins were ended by the backend.", "你的登录已被后台作废。"],
  ended: ["The session has ended.", "登录已失效。"],
  opened: ["The tap opened %s", "点击打开了 %s"],
  openedNot: ["The tap opened nothing: %s", "点击没有打开任何页面：%s"],
  // composer
  writeAs: ["%s to", "%s 发给"],
  message: ["Message", "消息"],
  placeholder: ["Write a message…", "写一条消息…"],
  orderPlaceholder: ["Order 4711", "订单 4711"],
  text: ["Text", "文字"],
  picture: ["Picture", "图片"],
  custom: ["Custom", "自定义"],
  kind: ["Kind of message", "消息类型"],
  description: ["Description for the notification (may be empty)", "通知描述（可为空）"],
  noPush: ["no push", "不推送"],
  send: ["Send", "发送"],
  aPicture: ["a picture", "一张图片"],
  customMessage: ["custom message", "自定义消息"],
  // story
  story: ["The story", "剧情"],
  storyLead: ["Scenes on these two phones, each verified as it plays.", "在这两部手机上演，逐幕验证。"],
  play: ["Play the story", "播放剧情"],
  stop: ["Stop", "停止"],
  playOne: ["Play this scene", "播放这一幕"],
  sceneOf: ["Scene %s of %s", "第 %s 幕，共 %s 幕"],
  verified: ["%s of %s scenes as promised", "%s / %s 幕符合预期"],
  waiting: ["not played yet", "未播放"],
  playing: ["playing", "播放中"],
  ok: ["as promised", "符合预期"],
  failed: ["failed", "未通过"],
  allScenes: ["All scenes", "全部场景"],
  // why
  why: ["Why?", "为什么？"],
  whyLead: ["For each message: what was decided for each phone, and what became of it.", "每条消息对每部手机的决策，以及后来发生了什么。"],
  nothingYet: ["Send a message, and see here why it arrives — or why not.", "发一条消息，就能在这里看到它为什么到达，或者为什么没到。"],
  try1: ["Lock Bob’s phone.", "给鲍勃的手机锁屏。"],
  try2: ["Write something as Alice, and send it.", "以爱丽丝的身份写一条消息并发送。"],
  try3: ["Click the notification on Bob’s phone.", "点击鲍勃手机上的通知。"],
  viaDevice: ["sent by the app (device API)", "由应用发送（终端 API）"],
  viaRest: ["sent by the backend (REST API)", "由业务后台发送（REST API）"],
  deciding: ["deciding…", "决策中…"],
  verdictPush: ["pushed", "已推送"],
  verdictSocket: ["on the socket", "走长连接"],
  verdictNone: ["not pushed", "不推送"],
  verdictFailed: ["failed", "失败"],
  verdictWait: ["under way", "进行中"],
  accepted: ["accepted", "已接收"],
  delivered: ["delivered", "已送达"],
  clicked: ["clicked", "已点击"],
  notKnown: ["not yet", "尚未"],
  cure: ["What to do", "处理办法"],
  then: ["The phone at that moment", "当时的终端状态"],
  attempt: ["Attempt %s", "第 %s 次发送"],
  request: ["The request to the vendor (secrets masked)", "发给厂商的请求（已脱敏）"],
  anotherPhone: ["another phone", "另一部手机"],
  formerPhone: ["a former phone", "以前的手机"],
  others: ["%s former devices", "%s 台以前的终端"],
  // said aloud
  heardNotification: ["Notification on %s’s phone: %s", "%s的手机收到通知：%s"],
  heardWhy: ["%s: %s", "%s：%s"],
  // what the server answers, by its code
  gone: ["This notification is not there any more", "这条通知已经不在了"],
  empty: ["Write something first", "请先写点内容"],
  not_installed: ["The app is not installed on this phone", "这部手机没有安装应用"],
  no_network: ["The phone has no network: switch airplane mode off", "手机没有网络：请关闭飞行模式"],
  too_many_pages: ["Too many pages are open: close one", "打开的页面太多，请关闭一个"],
};

const KEY = "homing-demo-language";
let language = remembered();

function remembered() {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept === "en" || kept === "zh") return kept;
  } catch {
    // Storage may be switched off; the browser's language decides then.
  }
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const current = () => language;

export function choose(next) {
  language = next;
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Then it holds until the page is left.
  }
}

export function word(name, ...values) {
  return values.reduce((text, value) => text.replace("%s", value), pick(WORDS[name] ?? [name, name]));
}

export const has = (name) => name in WORDS;

/** One of a pair [English, Chinese]. */
export const pick = (pair) => pair[language === "zh" ? 1 : 0];

export function moment(ms) {
  const locale = language === "zh" ? "zh-CN" : "en-GB";
  return new Date(ms).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}
